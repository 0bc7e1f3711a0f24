import { setTimeout as sleep } from "node:timers/promises";

import type { ChaosCluster } from "./cluster.js";
import { homesOf, uidsOf } from "./plan.js";
import { Random } from "./random.js";
import type { Settings } from "./settings.js";

/** The chance that a user has a second device. */
const SECOND_DEVICE = 0.25;

interface Device {
  uid: string;
  /** The host where it connects next, modulo how many there are. */
  next: number;
  connection: number | undefined;
  sid: string | undefined;
}

interface UsersOptions {
  settings: Settings;
  cluster: ChaosCluster;
  /** Makes a user who has just connected a member of its channels. */
  arrived: (uid: string, sid: string, names: readonly string[]) => void;
}

/** Users, each with one device or two, which connect again wherever they can when they have lost their connection. */
export class Users {
  readonly #options: UsersOptions;
  readonly #devices: Device[];
  readonly #homes: Map<string, string[]>;
  #lastConnection = 0;
  #isOver = false;

  constructor(options: UsersOptions) {
    const { settings } = options;
    this.#options = options;
    this.#homes = homesOf(settings);
    const random = new Random(settings.seed, "devices");
    this.#devices = uidsOf(settings).flatMap((uid) =>
      Array.from({ length: random.chance(SECOND_DEVICE) ? 2 : 1 }, () => ({
        uid,
        next: random.integer(0, 999),
        connection: undefined,
        sid: undefined,
      })),
    );
  }

  /** Resolves when {@link end} was called and all is quiet. */
  async run(): Promise<void> {
    await Promise.all(this.#devices.map((device) => this.#live(device)));
  }

  /** Nobody connects again from now on. */
  end(): void {
    this.#isOver = true;
  }

  get areConnected(): boolean {
    return this.#devices.every(({ sid }) => sid !== undefined);
  }

  /** Where a user is connected now, each once. */
  sidsOf(uid: string): string[] {
    return [...new Set(this.#devices.flatMap((device) => (device.uid === uid && device.sid) || []))];
  }

  /** Lets a device leave, and connect at a host, which may be the same. */
  async reconnect(index: number, to: number): Promise<void> {
    const device = this.#devices[index % this.#devices.length]!;
    if (device.connection === undefined || device.sid === undefined) return;
    device.next = to;
    device.sid = undefined;
    await this.#options.cluster.clients.call("close", device.connection);
  }

  async #live(device: Device): Promise<void> {
    const { cluster, arrived } = this.#options;
    while (!this.#isOver) {
      const host = cluster.frontends[device.next % cluster.frontends.length]!;
      const { live } = host;
      if (!live) {
        device.next++;
        await sleep(50);
        continue;
      }
      const sid = live.life.sid!;
      const id = ++this.#lastConnection;
      device.connection = id;
      const where = { id, uid: device.uid, sid, frontend: live.life.id };
      if (await cluster.clients.call("connect", where, live.joined)) {
        device.sid = sid;
        arrived(device.uid, sid, this.#homes.get(device.uid)!);
        await cluster.clients.call("closed", id);
        // Closed by the other side: somewhere else, then.
        if (device.sid !== undefined) device.next++;
      } else {
        device.next++;
      }
      device.sid = undefined;
    }
  }
}
