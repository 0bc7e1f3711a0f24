import { GlobalChannelService, Frontend, type Cluster } from "../../src/index.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { at } from "./model.js";

export const STYPE = "connector";

/** The real thing: a service and its frontends on one cluster. */
export class World {
  readonly service: GlobalChannelService;
  readonly #cluster: Cluster;
  readonly #frontends = new Map<string, { frontend: Frontend; sessions: RecordingConnector }>();
  /** Who is a member by the events of the service: channel -> `uid@sid`. */
  readonly #heard = new Map<string, Set<string>>();
  #messages = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.service = new GlobalChannelService({ cluster, timeoutMs: 2000 });
    this.service.on("join", ({ name, uid, sid }) => this.heardOf(name).add(at(uid, sid)));
    this.service.on("leave", ({ name, uid, sid }) => this.heardOf(name).delete(at(uid, sid)));
  }

  async start(sids: readonly string[]): Promise<void> {
    await this.service.start();
    for (const sid of sids) await this.startFrontend(sid);
  }

  async startFrontend(sid: string): Promise<void> {
    const sessions = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: STYPE, cluster: this.#cluster, connector: sessions });
    await frontend.start();
    this.#frontends.set(sid, { frontend, sessions });
  }

  async stopFrontend(sid: string): Promise<void> {
    await this.#frontends.get(sid)!.frontend.stop();
  }

  async stop(): Promise<void> {
    for (const sid of this.#frontends.keys()) await this.stopFrontend(sid);
    await this.service.stop();
  }

  connect(uid: string, sid: string): void {
    this.#frontends.get(sid)!.sessions.connect(uid);
  }

  disconnect(uid: string, sid: string): void {
    this.#frontends.get(sid)!.sessions.disconnect(uid);
  }

  /**
   * The members of a channel, by the events of the service. What is told here has been told to the frontends, which share its
   * connection: before that, who connects again has never been away.
   */
  heardOf(name: string): Set<string> {
    const members = this.#heard.get(name) ?? new Set();
    this.#heard.set(name, members);
    return members;
  }

  /** A message that was not sent before. */
  nextMessage(): number {
    return ++this.#messages;
  }

  /** `uid@sid` of everyone of these users who got a message, as often as they got it. */
  receivers(message: number, uids: readonly string[]): string[] {
    return [...this.#frontends].flatMap(([sid, { sessions }]) =>
      uids.flatMap((uid) =>
        sessions
          .received(uid)
          .filter(({ msg }) => msg === message)
          .map(() => `${uid}@${sid}`),
      ),
    );
  }
}
