import test from "ava";
import { Fence } from "../../src/frontend/fence.js";
import type { RpcTransport } from "../../src/index.js";

// Which refusals are given when. That nothing gets through to users who have moved is in test/cluster/stall.test.ts.

function start() {
  const lease = { isValid: false, check: () => {} };
  const fence = new Fence({ sid: "s1", transport: {} as RpcTransport, lease, opened: () => {}, report: () => {} });
  const settled = async (promise: Promise<never>): Promise<boolean> =>
    Promise.race([promise.catch(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50))]);
  return { lease, fence, settled };
}

test("what is refused is answered when the lease is held again, however much it is", async (t) => {
  const { lease, fence, settled } = start();
  const refused = Array.from({ length: 15_000 }, () => fence.refuse());
  t.false(await settled(refused[0]!));

  lease.isValid = true;
  fence.open();

  for (const one of refused) await t.throwsAsync(one, { code: "GC_FRONTEND_UNREACHABLE" });
  t.true(fence.isOpen);
});

test("of requests that come, no more than 10,000 wait for that", async (t) => {
  const { fence, settled } = start();
  const waiting = Array.from({ length: 10_001 }, () => fence.refuseArrival());

  fence.open();

  t.true(await settled(waiting[9999]!));
  t.false(await settled(waiting[10_000]!));
  for (const one of waiting.slice(0, 9999)) one.catch(() => {});
});

test("once the lease is given back, what is refused is answered at once", async (t) => {
  const { fence, settled } = start();
  const before = fence.refuse();

  fence.release();

  t.true(await settled(before));
  t.true(await settled(fence.refuse()));
});
