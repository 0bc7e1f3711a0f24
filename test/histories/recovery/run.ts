import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelPosition, GlobalChannelService } from "../../../src/index.js";
import { Random } from "../../chaos/random.js";
import { Client } from "./client.js";
import { Ledger, type Push } from "./ledger.js";
import { CHANNELS, CHANNELS_EACH, type FaultKind, OTHER_STYPE, type Settings, STYPE } from "./settings.js";
import type { Store } from "./stores.js";
import { World } from "./world.js";

/** What a run has come to. */
export interface Outcome {
  violations: string[];
  numbers: Record<string, number>;
  /** How often each of them was inflicted. */
  faults: Partial<Record<FaultKind, number>>;
}

/** What a cluster loses that loses data: also which pushes were done. */
const LOSSES: readonly FaultKind[] = ["lose-all", "go-back", "flush"];

/** Clients that come and go while messages are pushed and faults happen, until enough connections have broken; then all is well again. */
export class Run {
  readonly #settings: Settings;
  readonly #world: World;
  readonly #ledger = new Ledger();
  readonly #clients: readonly Client[];
  readonly #end = new AbortController();
  readonly #faults = new Map<FaultKind, number>();
  #losses = 0;
  #disconnects = 0;
  #failedPushes = 0;
  #repeats = 0;

  constructor(settings: Settings, store: Store) {
    this.#settings = settings;
    this.#world = new World(store, settings);
    this.#clients = Array.from({ length: settings.clients }, (_, n) => {
      const random = new Random(settings.seed, `client ${n}`);
      return new Client(`u${n}`, random.some(CHANNELS, CHANNELS_EACH), this.#world, this.#ledger, random);
    });
  }

  async run(): Promise<Outcome> {
    const startedAt = performance.now();
    await this.#world.start();
    try {
      const isOver = (): boolean => this.#disconnects >= this.#settings.disconnects;
      const living = this.#clients.map((client) => client.live(isOver, () => this.#disconnects++, this.#end.signal));
      await Promise.all([this.#push(isOver), this.#disturb(isOver)]);
      const stormMs = performance.now() - startedAt;
      let stuck = await this.#settle();
      if (stuck.length === 0) stuck = await this.#stand();
      this.#end.abort();
      await Promise.all(living);
      return this.#conclude(stuck, stormMs, performance.now() - startedAt);
    } finally {
      this.#end.abort();
      await this.#world.stop();
    }
  }

  /** Nobody comes or goes: what a fault takes from those who stay has to come by itself, as nothing is pushed after it. */
  async #stand(): Promise<string[]> {
    const random = new Random(this.#settings.seed, "stand");
    for (const fault of random.some(this.#settings.faults, Infinity)) {
      let isOver = false;
      const disturb = async (): Promise<void> => {
        await sleep(100);
        await this.#inflict(fault, random);
        await sleep(random.integer(0, 400));
        isOver = true;
      };
      await Promise.all([this.#push(() => isOver), disturb()]);
      const stuck = await this.#settle();
      if (stuck.length > 0) return stuck.map((lag) => `after ${fault} ${lag}`);
    }
    return [];
  }

  async #disturb(isOver: () => boolean): Promise<void> {
    const { seed, faults, faultEveryMs } = this.#settings;
    const random = new Random(seed, "faults");
    while (faults.length > 0) {
      for (const end = performance.now() + random.integer(...faultEveryMs); performance.now() < end;) {
        if (isOver()) return;
        await sleep(20);
      }
      await this.#inflict(random.pick(faults), random);
    }
  }

  async #inflict(fault: FaultKind, random: Random): Promise<void> {
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1);
    if (LOSSES.includes(fault)) this.#losses++;
    for (const { witness } of this.#clients) witness.note(`(${fault})`);
    await this.#doTo(fault, random);
    for (const { witness } of this.#clients) witness.note(`(${fault} is over)`);
    if (LOSSES.includes(fault)) this.#losses++;
  }

  async #doTo(fault: FaultKind, random: Random): Promise<void> {
    if (fault === "restart-frontend") await this.#world.restartFrontend(random.pick(this.#world.sids));
    else if (fault === "destroy-channel") await this.#destroy(random.pick(CHANNELS));
    else await this.#world.store.inflict(fault, random);
  }

  async #destroy(name: string): Promise<void> {
    await this.#world.services[0]!.destroyChannel(name).catch(() => {});
    await Promise.all(this.#clients.map((client) => client.join()));
  }

  async #push(isOver: () => boolean): Promise<void> {
    const random = new Random(this.#settings.seed, "pushes");
    const underWay = new Set<Promise<void>>();
    while (!isOver()) {
      const isBurst = random.chance(0.05);
      const names = random.some(CHANNELS, random.pick([1, 1, 1, 1, 1, 1, 2, 3]));
      for (let left = isBurst ? random.integer(5, 30) : 1; left > 0; left--) {
        const push = this.#pushOnce(names, random).finally(() => underWay.delete(push));
        underWay.add(push);
      }
      await sleep(random.integer(...this.#settings.pushEveryMs));
    }
    await Promise.all(underWay);
  }

  async #pushOnce(names: readonly string[], random: Random): Promise<void> {
    const stype = random.chance(0.05) ? OTHER_STYPE : STYPE;
    const except = random.chance(0.1) ? random.some(this.#clients, 10).map(({ uid }) => uid) : [];
    const push = this.#ledger.add({ names, stype, except: new Set(except) });
    const options = {
      except,
      ack: !random.chance(0.2),
      timeoutMs: random.pick([1000, 3000]),
      ...(random.chance(0.2) && { idempotencyKey: `key ${push.n}` }),
    };
    const times = "idempotencyKey" in options ? random.integer(1, 3) : 1;
    const losses = this.#losses;
    await Promise.all(
      Array.from({ length: times }, async () => {
        const service = random.pick(this.#world.services);
        await sleep(times > 1 ? random.integer(0, 30) : 0);
        await this.#call(service, push, options);
        if (times > 1 && this.#losses !== losses) push.mayRepeat = true;
      }),
    );
  }

  async #call(service: GlobalChannelService, push: Push, options: object): Promise<void> {
    const { names, stype, n } = push;
    try {
      const { positions = [], repeated } = await service.pushMessage(stype, "chat", { n }, [...names], options);
      if (repeated) this.#repeats++;
      for (const position of positions) this.#ledger.learn(push, position);
    } catch {
      this.#failedPushes++;
    }
  }

  /** Waits until every client has everything. Resolves what is still missing. */
  async #settle(): Promise<string[]> {
    const deadline = performance.now() + this.#settings.settleMs;
    for (;;) {
      const lags = await this.#lags();
      if (lags.length === 0 || performance.now() > deadline) return lags;
      await sleep(100);
    }
  }

  async #lags(): Promise<string[]> {
    const ends = new Map<string, ChannelPosition>();
    try {
      for (const name of CHANNELS) {
        const { position } = await this.#world.services.at(-1)!.history(name, { limit: 1, reverse: true });
        if (position) ends.set(name, { name, ...position });
      }
    } catch (error) {
      return [String(error)];
    }
    return this.#clients.flatMap(({ witness, channels }) =>
      channels.flatMap((name) => {
        const end = ends.get(name);
        const lag = end && witness.lagBehind(end);
        return lag === undefined ? [] : [`${lag}:\n${witness.showTrace()}`];
      }),
    );
  }

  #conclude(stuck: readonly string[], stormMs: number, ms: number): Outcome {
    const witnesses = this.#clients.map(({ witness }) => witness);
    const sum = (of: (client: Client) => number): number => this.#clients.reduce((total, one) => total + of(one), 0);
    return {
      violations: [...this.#ledger.violations, ...witnesses.flatMap(({ violations }) => violations), ...stuck],
      numbers: {
        disconnects: this.#disconnects,
        resumes: sum(({ resumes }) => resumes),
        pushes: this.#ledger.pushCount,
        failedPushes: this.#failedPushes,
        repeats: this.#repeats,
        received: sum(({ witness }) => witness.received),
        gaps: sum(({ witness }) => witness.gaps),
        unknown: sum(({ witness }) => witness.unknown),
        stormSeconds: Math.round(stormMs / 1000),
        seconds: Math.round(ms / 1000),
      },
      faults: Object.fromEntries(this.#faults),
    };
  }
}
