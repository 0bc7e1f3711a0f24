import type { GlobalChannelService, PushReport } from "../../src/index.js";
import { connect, membersAt, type Stage } from "./stage.js";

/** Two frontends with connected members of `room`: ann and bob at s1, cid at s2. */
export async function twoFrontends(stage: Stage, service: GlobalChannelService) {
  const { clients: first } = await stage.frontend("s1");
  const { clients: second } = await stage.frontend("s2");
  await connect(service, "s1", first, ["ann", "bob"]);
  await connect(service, "s2", second, ["cid"]);
  await service.addMany([...membersAt("s1", "room", ["ann", "bob"]), ...membersAt("s2", "room", ["cid"])]);
  return { first, second };
}

/** The counts of a report: targeted, delivered, failed, unknown, unlisted. */
export function totals({ targeted, delivered, failed, unknown, unlisted }: PushReport): number[] {
  return [targeted, delivered, failed, unknown, unlisted];
}
