import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Random } from "../../chaos/random.js";
import type { Ledger } from "./ledger.js";
import { type Frame, Witness } from "./oracle.js";
import type { World } from "./world.js";

/** How soon what has failed is tried again, in milliseconds. */
const RETRY_MS = 50;

/** A user's device, which comes and goes, and keeps in mind where it is in its channels. */
export class Client {
  readonly uid: string;
  readonly channels: readonly string[];
  readonly witness: Witness;
  readonly #world: World;
  readonly #random: Random;
  #sid: string;
  #ws: WebSocket | undefined;
  resumes = 0;

  constructor(uid: string, channels: readonly string[], world: World, ledger: Ledger, random: Random) {
    this.uid = uid;
    this.channels = channels;
    this.#world = world;
    this.#random = random;
    this.#sid = random.pick(world.sids);
    this.witness = new Witness(uid, ledger);
  }

  /** Comes and goes until it is told to stay; then it comes back where the connection breaks. Resolves when `end` is aborted. */
  async live(stays: () => boolean, disconnected: () => void, end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      if (this.#random.chance(0.3)) this.#sid = this.#random.pick(this.#world.sids);
      const ws = this.#open();
      if (!ws) {
        await sleep(RETRY_MS);
        continue;
      }
      const closed = new Promise<void>((resolve) => ws.once("close", () => resolve()));
      await Promise.race([closed, this.#stay(ws, stays, end)]);
      this.#ws = undefined;
      ws.terminate();
      this.witness.note("gone");
      disconnected();
      if (!stays())
        await sleep(this.#random.chance(0.1) ? this.#random.integer(300, 1500) : this.#random.integer(0, 80));
    }
  }

  /** Makes it a member again, as its application does where it knows that it has to. */
  async join(): Promise<void> {
    const [ws, sid] = [this.#ws, this.#sid];
    for (;;) {
      if (!ws || this.#ws !== ws) return;
      try {
        const service = this.#random.pick(this.#world.services);
        await service.addMany(this.channels.map((name) => ({ name, uid: this.uid, sid })));
        return;
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }

  #open(): WebSocket | undefined {
    const port = this.#world.portOf(this.#sid);
    if (port === undefined) return undefined;
    const { positions } = this.witness;
    // Not an object literal: a channel is called `__proto__`.
    const resume = `{${Array.from(positions, ([name, at]) => `${JSON.stringify(name)}:${JSON.stringify(at)}`).join(",")}}`;
    if (positions.size > 0) this.resumes++;
    this.witness.note(`comes to ${this.#sid}`);
    const ws = new WebSocket(`ws://127.0.0.1:${port}/?${new URLSearchParams({ uid: this.uid, resume }).toString()}`);
    this.#ws = ws;
    ws.on("error", () => {});
    ws.once("open", () => void this.join());
    return ws;
  }

  /** Takes what comes, for a while. */
  async #stay(ws: WebSocket, stays: () => boolean, end: AbortSignal): Promise<void> {
    const frames = this.#random.chance(0.25) ? this.#random.integer(0, 12) : Infinity;
    const ms = this.#random.chance(0.15) ? this.#random.integer(0, 40) : this.#random.integer(50, 900);
    let count = 0;
    const enough = new Promise<void>((resolve) => {
      ws.on("message", (data: Buffer) => {
        if (this.#ws !== ws) return;
        // What comes after it has gone is lost.
        this.witness.take(parse(data.toString()));
        if (++count > frames && !stays()) {
          this.#ws = undefined;
          resolve();
        }
      });
    });
    await Promise.race([enough, sleep(ms)]);
    while (stays() && !end.aborted) await sleep(RETRY_MS);
  }
}

/** `__proto__` comes out of JSON.parse as a property like any other. */
function parse(text: string): Frame {
  return JSON.parse(text) as Frame;
}
