import assert from "node:assert/strict";
import type { FrontendInfo, ServerRegistry } from "../../types.js";
import type { Stage } from "../case.js";
import { eventually } from "../expect.js";

/** A lease that does not end within a case. */
export const LONG_MS = 60_000;
/** A lease whose end a case waits for; between the two nothing is asserted that a slow machine could miss. */
export const SHORT_MS = 200;

export function frontend(sid: string, incarnation = "i1", stype = "connector"): FrontendInfo {
  return { sid, incarnation, stype, holder: `pid 4711 on ${incarnation}` };
}

export const [S1, S2] = [frontend("s1"), frontend("s2")];
/** The next life of `s1`. */
export const S1_NEXT = frontend("s1", "i2");

/** A frontend that is live until it is told otherwise. */
export async function goLive(registry: ServerRegistry, info: FrontendInfo, leaseMs = LONG_MS): Promise<void> {
  await registry.register(info, leaseMs);
  await registry.renew(info, leaseMs);
}

/** A frontend whose lease has ended. */
export async function goDead(
  registry: ServerRegistry,
  info: FrontendInfo,
  { advance }: Stage<ServerRegistry>,
): Promise<void> {
  await goLive(registry, info, SHORT_MS);
  await advance(SHORT_MS);
  await eventually(async () => assert.ok(!(await registry.list()).some(({ sid }) => sid === info.sid), "still listed"));
}
