import {
  GlobalChannelService,
  Frontend,
  type ClientMessage,
  type Cluster,
  type Connector,
  type ConnectorHost,
} from "../../src/index.js";

export const STYPE = "connector";

/** Sessions without sockets: what a user gets is written down. */
class Sessions implements Connector {
  readonly inbox: { uid: string; message: string }[] = [];
  readonly #counts = new Map<string, number>();
  #host: ConnectorHost | undefined;

  start(host: ConnectorHost): void {
    this.#host = host;
  }

  stop(): void {
    for (const [uid, count] of this.#counts) for (let n = 0; n < count; n++) this.close(uid);
  }

  open(uid: string): void {
    this.#counts.set(uid, (this.#counts.get(uid) ?? 0) + 1);
    this.#host!.opened(uid);
  }

  close(uid: string): void {
    const count = this.#counts.get(uid)!;
    if (count === 1) this.#counts.delete(uid);
    else this.#counts.set(uid, count - 1);
    this.#host!.closed(uid);
  }

  deliver(uids: ReadonlySet<string>, { body }: ClientMessage): string[] {
    return [...uids].filter((uid) => !this.#write(uid, body));
  }

  deliverToAll({ body }: ClientMessage, except: ReadonlySet<string>): number {
    return [...this.#counts.keys()].filter((uid) => !except.has(uid) && this.#write(uid, body)).length;
  }

  #write(uid: string, message: string): boolean {
    if (!this.#counts.has(uid)) return false;
    this.inbox.push({ uid, message });
    return true;
  }
}

/** The real thing: a service and its frontends on one cluster. */
export class World {
  readonly service: GlobalChannelService;
  readonly #cluster: Cluster;
  readonly #frontends = new Map<string, { frontend: Frontend; sessions: Sessions }>();
  #messages = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.service = new GlobalChannelService({ cluster, timeoutMs: 2000 });
  }

  async start(sids: readonly string[]): Promise<void> {
    await this.service.start();
    for (const sid of sids) await this.startFrontend(sid);
  }

  async startFrontend(sid: string): Promise<void> {
    const sessions = new Sessions();
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
    this.#frontends.get(sid)!.sessions.open(uid);
  }

  disconnect(uid: string, sid: string): void {
    this.#frontends.get(sid)!.sessions.close(uid);
  }

  /** A message that was not sent before. */
  nextMessage(): number {
    return ++this.#messages;
  }

  /** `uid@sid` of everyone who got a message, as often as they got it. */
  receivers(message: number): string[] {
    return [...this.#frontends].flatMap(([sid, { sessions }]) =>
      sessions.inbox.filter((entry) => entry.message === String(message)).map(({ uid }) => `${uid}@${sid}`),
    );
  }
}
