import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isGlobalChannelError } from "../../errors.js";
import type { RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameData, assertSameItems, eventually, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { DELIVERED, LONG, push, recorder } from "./requests.js";

/** How long after the requests the connections break, in milliseconds: at once, in the middle, and perhaps when all is over. */
const CUT_AFTER_MS = [0, 2, 10];
/** The deadline of requests whose answers may be lost. */
const LOST = { timeoutMs: 1_000 };
/** How long after their deadline requests may take until they settle. */
const LATE_MS = 5_000;

export const transportInterruptionCases = [
  defineCase<RpcTransport>(
    "interruption › requests under way settle, are handled in order and at most once, and later ones come through",
    async ({ open, interrupt }) => {
      const [caller, server] = [await open(), await open()];
      const handled: string[] = [];
      await server.serve("s1", (request) => {
        const uid = request.type === "channels" ? request.uid : "";
        handled.push(uid);
        return { names: [uid] };
      });
      const ask = async (uid: string) => caller.request("s1", { type: "channels", uid }, LOST);

      for (const [round, afterMs] of CUT_AFTER_MS.entries()) {
        const sent = numbered(`${round}:`, 300);
        const requests = Promise.allSettled(sent.map(ask));
        await sleep(afterMs);
        await interrupt();
        const results = await Promise.race([requests, sleep(LOST.timeoutMs + LATE_MS, undefined, { ref: false })]);
        assert.ok(results, `requests have not settled ${LATE_MS} ms after their deadline`);

        const seen = handled.filter((uid) => uid.startsWith(`${round}:`));
        assert.deepEqual(
          seen,
          sent.filter((uid) => seen.includes(uid)),
          "out of order, or handled twice",
        );
        for (const [index, result] of results.entries()) {
          const uid = sent[index]!;
          if (result.status === "fulfilled") {
            assertSameData(result.value, { names: [uid] });
            assert.ok(seen.includes(uid), `${uid} was answered, but not handled`);
          } else {
            const { reason }: { reason: unknown } = result;
            assert.ok(isGlobalChannelError(reason), `it failed with ${String(reason)}`);
            if (reason.code === "GC_FRONTEND_UNREACHABLE") assert.ok(!seen.includes(uid), `${uid} was handled`);
          }
        }
        await eventually(async () => assertSameData(await ask("back"), { names: ["back"] }));
      }
    },
  ),

  defineCase<RpcTransport>("stop › of one instance leaves the requests of others alone", async ({ open, stop }) => {
    const [caller, server, other] = [await open(), await open(), await open()];
    if (other === caller) return;
    const { bodies, handler } = recorder();
    await server.serve("s1", handler);

    await Promise.all([caller.request("s1", push("1"), LONG), stop(other)]);
    await caller.request("s1", push("2"), LONG);
    await stop(other, true);
    await caller.request("s1", push("3"), LONG);

    assert.deepEqual(bodies, ["1", "2", "3"]);
  }),
];

export const transportNameCases = [
  defineCase<RpcTransport>("request › every route, uid and answer is told apart", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const seen: unknown[] = [];
    await server.serve("s1", (request) => {
      if (request.type === "channels") return { names: [request.uid] };
      const names = request.type === "push" ? [request.route, ...(request.except ?? [])] : request.uids;
      seen.push(names);
      return { delivered: 0, failed: names.slice(0, 1) };
    });

    const replies = await Promise.all(
      AWKWARD_NAMES.flatMap((name, index) => [
        caller.request("s1", { ...push("1"), route: name, except: [AWKWARD_NAMES.at(index - 1)!] }, LONG),
        caller.request("s1", { type: "channels", uid: name }, LONG),
      ]),
    );

    assertSameData(
      seen,
      AWKWARD_NAMES.map((name, index) => [name, AWKWARD_NAMES.at(index - 1)]),
    );
    assertSameData(
      replies,
      AWKWARD_NAMES.flatMap((name) => [{ delivered: 0, failed: [name] }, { names: [name] }]),
    );
  }),

  defineCase<RpcTransport>("request › a sid that nobody serves is told as it was given", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", () => DELIVERED);

    const sids = await Promise.all(
      AWKWARD_NAMES.map(async (sid) => {
        const error = await assertRejects(() => caller.request(sid, push("1"), LONG), "GC_FRONTEND_UNREACHABLE");
        return error.sid;
      }),
    );

    assertSameItems(sids, AWKWARD_NAMES);
  }),

  defineCase<RpcTransport>("request › each of many without an answer fails at its own deadline", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await server.serve("s1", () => released.then(() => DELIVERED));

    const order: number[] = [];
    const answered = caller.request("s1", push("0"), LONG);
    // Where the case fails nobody waits for it any more.
    answered.catch(() => {});
    await Promise.all(
      [900, 500, 100].map(async (timeoutMs) => {
        await assertRejects(() => caller.request("s1", push("1"), { timeoutMs }), "GC_TIMEOUT");
        order.push(timeoutMs);
      }),
    );
    release();

    assert.deepEqual(order, [100, 500, 900]);
    assertSameData(await answered, DELIVERED);
  }),
];
