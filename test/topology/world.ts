import diagnostics from "node:diagnostics_channel";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Cluster,
  type ErrorMessage,
  Frontend,
  type GlobalChannelError,
  GlobalChannelService,
  type PushReport,
} from "../../src/index.js";
import { redis, type RedisSource } from "../../src/redis/index.js";
import type { Owner } from "../cluster/cluster.js";
import { Load } from "../cluster/load.js";
import { type CallOutcome, sumOf } from "../cluster/outcome.js";
import { RecordingConnector } from "../support/recording-connector.js";

const STYPE = "connector";
export const SIDS = ["s1", "s2", "s3"];
/** Enough that every server has some of them, and of the inboxes. */
const CHANNELS = Array.from({ length: 24 }, (_value, n) => `room-${n}`);
const USERS = 8;
/** Users who come and go. */
const GUESTS = 6;
/** How many steps after it has joined a channel a guest leaves it. */
const STAY = 5;
const PUSH_EVERY_MS = 5;
const CHANGE_EVERY_MS = 4;
/** How long after the last disturbance everything has to be as it should, in milliseconds. */
const SETTLE_MS = 10_000;
/** How long a change may take to be told, in milliseconds. */
const HEAR_MS = 200;

interface Message {
  n: number;
}

/** What a change of a guest's membership was to do, and whether it did. */
interface Change {
  name: string;
  uid: string;
  sid: string;
  type: "add" | "leave";
  isDone: boolean;
}

/** How long the load goes on before and after what is tested, in milliseconds. */
export const CALM_MS = 1000;

/** A service and frontends that are busy while the servers of their Redis change. */
export class TopologyWorld {
  readonly #cluster: () => Cluster;
  readonly #service: GlobalChannelService;
  readonly #connectors = new Map<string, RecordingConnector>();
  readonly #changes: Change[] = [];
  readonly #joined = new Set<string>();
  readonly #errors: Error[] = [];
  #pushes: Load | undefined;
  #changing: Load | undefined;
  #late = 0;
  /** The pushes that have reached everyone, by their reports. */
  readonly #complete: number[] = [];
  /** Those of which there is no report: Redis has taken them, or not. */
  readonly #unreported = new Set<number>();

  /** @param cluster gives what each process has */
  constructor(cluster: () => Cluster) {
    this.#cluster = cluster;
    this.#service = new GlobalChannelService({ cluster: cluster() });
    this.#service.on("join", ({ name, uid }) => this.#joined.add(JSON.stringify([name, uid])));
  }

  /** One that has been busy for a while. @param wrap what of it is to be otherwise */
  static async begin(owner: Owner, source: RedisSource, wrap = (cluster: Cluster): Cluster => cluster) {
    const prefix = randomUUID();
    const world = new TopologyWorld(() => wrap(redis(source, { prefix })));
    await world.start(owner);
    await sleep(CALM_MS);
    return world;
  }

  async start(t: Owner): Promise<void> {
    const listener = (message: unknown): void => void this.#errors.push((message as ErrorMessage).error);
    diagnostics.subscribe("globalchannel:error", listener);
    t.teardown(() => diagnostics.unsubscribe("globalchannel:error", listener));
    t.teardown(() => this.#service.stop(true));
    await this.#service.start();
    for (const sid of SIDS) {
      const connector = new RecordingConnector();
      const frontend = new Frontend({ sid, stype: STYPE, cluster: this.#cluster(), connector });
      t.teardown(() => frontend.stop().catch(() => {}));
      await frontend.start();
      for (const uid of [...usersAt(sid), ...guestsAt(sid)]) connector.connect(uid);
      this.#connectors.set(sid, connector);
    }
    const members = SIDS.flatMap((sid) => CHANNELS.flatMap((name) => usersAt(sid).map((uid) => ({ name, uid, sid }))));
    await this.#service.addMany(members);
    this.#pushes = new Load((n) => this.#push(n), PUSH_EVERY_MS);
    this.#changing = new Load((n) => this.#change(n), CHANGE_EVERY_MS);
  }

  /** What was told that nobody waits for. */
  get errors(): readonly Error[] {
    return this.#errors;
  }

  /** Ends the changes of members. */
  async stopChanging(): Promise<void> {
    await this.#changing!.stop();
  }

  /** Ends the load. Resolves what became of the pushes. */
  async stop(): Promise<CallOutcome[]> {
    await this.stopChanging();
    return this.#pushes!.stop();
  }

  async #push(n: number): Promise<unknown> {
    try {
      const report = await this.#service.pushMessage(STYPE, "chat", { n }, channelOf(n));
      if (isWhole(report)) this.#complete.push(n);
      return report;
    } catch (error) {
      if (!(error as GlobalChannelError).report) this.#unreported.add(n);
      throw error;
    }
  }

  /** Each guest joins a channel, leaves one that it has joined a little before, joins another one, and so on. */
  async #change(n: number): Promise<unknown> {
    const guests = SIDS.flatMap((sid) => guestsAt(sid).map((uid) => ({ uid, sid })));
    const guest = guests[n % guests.length]!;
    const step = Math.floor(n / guests.length);
    const type = step % 2 === 0 ? "add" : "leave";
    const joined = type === "add" ? step : step - STAY;
    const name = CHANNELS[(joined * 7 + (n % guests.length) + 700) % CHANNELS.length]!;
    const change: Change = { ...guest, name, type, isDone: false };
    this.#changes.push(change);
    const isChanged = await this.#service[type](name, guest.uid, guest.sid);
    change.isDone = true;
    return isChanged;
  }

  /** Who must be a member, and who must not: by the last change of each that was acknowledged, with none after it that was not. */
  #expected(): Map<string, { in: Set<string>; out: Set<string> }> {
    const last = new Map<string, Change | undefined>();
    for (const change of this.#changes) {
      last.set(JSON.stringify([change.name, change.uid, change.sid]), change.isDone ? change : undefined);
    }
    const expected = new Map(CHANNELS.map((name) => [name, { in: new Set<string>(), out: new Set<string>() }]));
    for (const { in: members } of expected.values())
      for (const sid of SIDS) for (const uid of usersAt(sid)) members.add(uid);
    for (const change of last.values()) {
      if (change) expected.get(change.name)![change.type === "add" ? "in" : "out"].add(change.uid);
    }
    return expected;
  }

  /** What is not as it should be: members, sessions, and what each frontend and the service are told. */
  async #whatIsWrong(): Promise<string[]> {
    const wrong: string[] = [];
    for (const [name, expected] of this.#expected()) {
      const members = new Set(await this.#service.getMembersByChannelName(STYPE, name));
      for (const uid of expected.in) if (!members.has(uid)) wrong.push(`${name}: ${uid} is lost`);
      for (const uid of expected.out) if (members.has(uid)) wrong.push(`${name}: ${uid} is back`);
      const report = await this.#service.pushMessage(STYPE, "last", null, name).catch((error: Error) => error);
      if (report instanceof Error) wrong.push(`${name}: ${report.message}`);
      else if (report.delivered !== members.size || report.targeted !== members.size)
        wrong.push(
          `${name}: a push reached ${report.delivered} of ${report.targeted}, and ${members.size} are members`,
        );
    }
    for (const sid of SIDS) {
      for (const uid of [...usersAt(sid), ...guestsAt(sid)]) {
        const sids = await this.#service.getSids(uid);
        if (!sids.includes(sid)) wrong.push(`${uid} is not known to be at ${sid}`);
      }
    }
    return wrong;
  }

  /** The service hears of a member who joins each channel. */
  async #deafness(): Promise<string[]> {
    const uid = `late-${++this.#late}`;
    await this.#service.addMany(CHANNELS.map((name) => ({ name, uid, sid: "s1" })));
    await sleep(HEAR_MS);
    await this.#service.leaveMany(CHANNELS.map((name) => ({ name, uid, sid: "s1" })));
    return CHANNELS.filter((name) => !this.#joined.has(JSON.stringify([name, uid]))).map(
      (name) => `${name}: nothing is heard of who joins`,
    );
  }

  /** What is not as it should be, once it has had time. */
  async whatIsWrongInTheEnd(): Promise<string[]> {
    const giveUpAt = performance.now() + SETTLE_MS;
    for (;;) {
      const wrong = await this.#whatIsWrong().catch((error: Error) => [error.message]);
      if (wrong.length === 0) wrong.push(...(await this.#deafness().catch((error: Error) => [error.message])));
      if (wrong.length === 0 || performance.now() > giveUpAt) return wrong;
      await sleep(100);
    }
  }

  /**
   * What is wrong with what the users have got: of each channel each push at most once, in order; and in all as often as the reports
   * say, where those of whom nothing is known may have got it or not.
   */
  wrongDeliveries(outcomes: readonly CallOutcome[]): string[] {
    const wrong: string[] = [];
    const [delivered, unknown] = [sumOf(outcomes, "delivered"), sumOf(outcomes, "unknown")];
    let received = 0;
    for (const [sid, connector] of this.#connectors) {
      for (const uid of [...usersAt(sid), ...guestsAt(sid)]) {
        const got = connector.received(uid).filter(({ route }) => route === "chat");
        const numbers = got.map(({ msg }) => (msg as Message).n);
        received += numbers.filter((n) => !this.#unreported.has(n)).length;
        const last = new Map<string, number>();
        for (const n of numbers) {
          const name = channelOf(n);
          if (n <= (last.get(name) ?? -1)) wrong.push(`${uid} got ${n} after ${last.get(name)} of ${name}`);
          last.set(name, n);
        }
        const known = new Set(numbers);
        if (usersAt(sid).includes(uid))
          for (const n of this.#complete) if (!known.has(n)) wrong.push(`${uid} did not get ${n}`);
      }
    }
    if (received < delivered || received > delivered + unknown)
      wrong.push(`users got ${received} messages, where ${delivered} are said to be delivered and ${unknown} unknown`);
    return wrong;
  }
}

/** Whether a push has reached everyone, those who come and go among them or not. */
export function isWhole(report: PushReport | undefined): boolean {
  return report !== undefined && report.targeted >= SIDS.length * USERS && report.delivered === report.targeted;
}

function channelOf(n: number): string {
  return CHANNELS[n % CHANNELS.length]!;
}

function usersAt(sid: string): string[] {
  return Array.from({ length: USERS }, (_value, n) => `user-${sid}-${n}`);
}

function guestsAt(sid: string): string[] {
  return Array.from({ length: GUESTS }, (_value, n) => `guest-${sid}-${n}`);
}
