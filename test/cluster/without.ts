import { setTimeout as sleep } from "node:timers/promises";
import { Fence } from "../../src/frontend/fence.js";
import { Residents } from "../../src/frontend/residents.js";
import { GlobalChannelService, isGlobalChannelError } from "../../src/index.js";
import { RedisConnection } from "../../src/redis/connection.js";
import { SilenceWatch } from "../../src/redis/silence-watch.js";
import { RedisServerRegistry } from "../../src/registries/redis/registry.js";
import { Reaper } from "../../src/service/reaper.js";

/** What switches a protection off in this process: tests show so that they would find what it protects from. */
const SWITCHES = {
  fence: () => void Object.defineProperty(Fence.prototype, "isOpen", { get: () => true }),
  reconcile: () => void (Residents.prototype.reconcile = async () => {}),
  reaper: () => void (Reaper.prototype.sweep = async () => undefined),
  redisClock: leaseByHostClock,
  independence: pushInTurn,
  failingFast: waitForRedis,
  silenceWatch: () => void (SilenceWatch.prototype.check = () => {}),
} as const;

export type Protection = keyof typeof SWITCHES;

export function switchOff(protections: readonly Protection[]): void {
  for (const protection of protections) SWITCHES[protection]();
}

/** Leases end when the clock of the frontend's host says so. */
function leaseByHostClock(): void {
  const { register, renew } = RedisServerRegistry.prototype;
  const offMs = (): number => Date.now() - (performance.timeOrigin + performance.now());
  RedisServerRegistry.prototype.register = function (frontend, leaseMs) {
    return register.call(this, frontend, leaseMs + offMs());
  };
  RedisServerRegistry.prototype.renew = function (frontend, leaseMs) {
    return renew.call(this, frontend, leaseMs + offMs());
  };
}

/** Each push waits for the one before it, wherever that goes. */
function pushInTurn(): void {
  const { pushMessage } = GlobalChannelService.prototype;
  let last: Promise<unknown> = Promise.resolve();
  GlobalChannelService.prototype.pushMessage = function (...args: Parameters<typeof pushMessage>) {
    const pushed = last.then(() => pushMessage.apply(this, args));
    last = pushed.catch(() => {});
    return pushed;
  };
}

/** What Redis is asked while it is out of reach waits until it is back. */
function waitForRedis(): void {
  for (const method of ["command", "run", "publish"] as const) {
    const ask = RedisConnection.prototype[method] as (...args: unknown[]) => Promise<unknown>;
    const patient = async function (this: RedisConnection, ...args: unknown[]): Promise<unknown> {
      for (;;) {
        try {
          return await ask.apply(this, args);
        } catch (error) {
          if (!isGlobalChannelError(error) || !error.temporary) throw error;
          await sleep(50);
        }
      }
    };
    Object.defineProperty(RedisConnection.prototype, method, { value: patient });
  }
}
