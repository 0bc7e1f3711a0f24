import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameData, numbered } from "../expect.js";
import { DELIVERED, LONG, SHORT, push } from "./requests.js";

/** How much earlier than at its deadline a request may fail: timers count whole milliseconds, or coarser. */
const EARLY_MS = 20;
/** How much later. */
const LATE_MS = 2_000;

/** Fails {@link LATE_MS} after the short deadline: on timers, for a process that is held up is late for all of them. */
async function tooLate(): Promise<never> {
  await sleep(SHORT.timeoutMs + LATE_MS, undefined, { ref: false });
  // Whatever was due until now gets its turn.
  await sleep(100, undefined, { ref: false });
  return assert.fail(`neither answered nor failed ${LATE_MS} ms after the deadline`);
}

export const failureCases = [
  defineCase<RpcTransport>(
    "request › what the handler throws the caller gets as GC_FRONTEND_ERROR",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      await server.serve("s1", (request) => {
        if (request.type === "push") throw new Error(`cannot take ${request.body}`);
        return Promise.reject(new TypeError("cannot say"));
      });

      const thrown = await assertRejects(() => caller.request("s1", push("7"), LONG), "GC_FRONTEND_ERROR");
      const rejected = await assertRejects(
        () => caller.request("s1", { type: "channels", uid: "ann" }, LONG),
        "GC_FRONTEND_ERROR",
      );

      assert.match(thrown.message, /cannot take 7/);
      assert.match(rejected.message, /cannot say/);
      for (const error of [thrown, rejected]) {
        assert.equal(error.sid, "s1");
        assert.equal(error.temporary, false);
      }
    },
  ),

  defineCase<RpcTransport>("request › one that failed does not spoil those before and after it", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", (request) => {
      if (request.type !== "push" || Number(request.body) % 2 === 1) throw new Error("odd");
      return { delivered: Number(request.body), failed: [] };
    });

    const results = await Promise.allSettled(numbered("", 20).map((body) => caller.request("s1", push(body), LONG)));

    for (const [index, result] of results.entries()) {
      assert.equal(result.status, index % 2 === 0 ? "fulfilled" : "rejected");
      if (result.status === "fulfilled") assertSameData(result.value, { delivered: index, failed: [] });
    }
  }),

  defineCase<RpcTransport>(
    "request › without an answer it fails at the deadline with GC_TIMEOUT, which is temporary",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      await server.serve("s1", () => released.then(() => DELIVERED));

      const start = performance.now();
      const request = caller.request("s1", push("1"), SHORT);
      const error = await assertRejects(() => Promise.race([request, tooLate()]), "GC_TIMEOUT");
      const tookMs = performance.now() - start;
      release();

      assert.equal(error.temporary, true);
      assert.equal(error.sid, "s1");
      assert.ok(tookMs > SHORT.timeoutMs - EARLY_MS, `it failed after ${tookMs} ms`);
    },
  ),

  defineCase<RpcTransport>(
    "request › an answer after the deadline goes to nobody, and the request is not handled again",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const handled: string[] = [];
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      await server.serve("s1", async (request) => {
        const uid = request.type === "channels" ? request.uid : "";
        handled.push(uid);
        if (uid === "slow") await released;
        return { names: [uid] };
      });

      await assertRejects(() => caller.request("s1", { type: "channels", uid: "slow" }, SHORT), "GC_TIMEOUT");
      release();

      for (const uid of numbered("u", 20)) {
        assertSameData(await caller.request("s1", { type: "channels", uid }, LONG), { names: [uid] });
      }
      assert.deepEqual(handled, ["slow", ...numbered("u", 20)]);
    },
  ),

  defineCase<RpcTransport>(
    "request › where nobody serves the sid it fails with GC_FRONTEND_UNREACHABLE, which is temporary",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      await server.serve("s1", () => DELIVERED);

      for (const sid of ["s2", "s", "S1", "*"]) {
        const error = await assertRejects(() => caller.request(sid, push("1"), LONG), "GC_FRONTEND_UNREACHABLE");
        assert.equal(error.temporary, true);
        assert.equal(error.sid, sid);
      }
    },
  ),
];
