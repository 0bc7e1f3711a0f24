import { setTimeout as sleep } from "node:timers/promises";
import type { NodeProcess } from "../../test/support/process.js";
import type { ContenderName } from "../contenders/contender.js";
import type { ClientsApi } from "./client-process.js";
import type { FrontendApi } from "./frontend-process.js";

/** Processes that see messages come: frontends, or clients. */
export type Witnesses = readonly NodeProcess<Pick<FrontendApi, "begin" | "count">>[];

const POLL_MS = 5;

/** Makes them forget what has come. @param port of who is to be told of each message from now on, if anybody is */
export async function beginAt(witnesses: Witnesses, port?: number): Promise<void> {
  await Promise.all(witnesses.map((process) => process.call("begin", port)));
}

/** Whether so many messages come to each of them in time. */
export async function haveCome(witnesses: Witnesses, count: number, timeoutMs: number): Promise<boolean> {
  for (const endAt = Date.now() + timeoutMs; ;) {
    const counts = await Promise.all(witnesses.map((process) => process.call("count")));
    if (counts.every((received) => received >= count)) return true;
    if (Date.now() >= endAt) return false;
    await sleep(POLL_MS);
  }
}

/** @throws where clients have not got every message once */
export async function checkDeliveries(
  contender: ContenderName,
  clients: readonly NodeProcess<ClientsApi>[],
  cause?: Error,
): Promise<void> {
  const problems = await Promise.all(clients.map((process) => process.call("problem")));
  const problem = problems.find((found) => found !== undefined);
  if (problem !== undefined) throw new Error(`${contender}: ${problem}`, { cause });
}
