import type { History, Push, Violation } from "../history.js";

/** Pushes of one backend to one channel reach each connection in the order of the calls. */
export function checkOrder({ pushes, connections, final }: History): Violation[] {
  const byId = new Map([...pushes, ...final.pushes].map((push) => [push.id, push]));
  const violations: Violation[] = [];
  for (const { id, uid, sid, received } of connections) {
    const last = new Map<string, number>();
    for (const { push } of received) {
      for (const channel of streamsOf(byId.get(push))) {
        const before = last.get(channel) ?? 0;
        if (before > push) {
          const message = `connection ${id} of ${uid} at ${sid} got push ${push} after push ${before} of the same channel and backend`;
          violations.push({ invariant: "3 order", message, about: { push, uid, sid } });
        }
        last.set(channel, Math.max(before, push));
      }
    }
  }
  return violations;
}

function streamsOf(push: Push | undefined): string[] {
  return push && "names" in push.audience ? push.audience.names.map((name) => `${push.backend} ${name}`) : [];
}
