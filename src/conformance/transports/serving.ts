import assert from "node:assert/strict";
import { isGlobalChannelError } from "../../errors.js";
import type { RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameData, eventually, numbered } from "../expect.js";
import { DELIVERED, LONG, SHORT, push, recorder } from "./requests.js";

export const serveCases = [
  defineCase<RpcTransport>(
    "serve › no request after it is missed, not even for a caller that was refused before",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];

      for (const sid of numbered("s", 20)) {
        await assertRejects(() => caller.request(sid, push("1"), LONG), "GC_FRONTEND_UNREACHABLE");
        await server.serve(sid, () => DELIVERED);
        assertSameData(await caller.request(sid, push("2"), LONG), DELIVERED);
      }
    },
  ),

  defineCase<RpcTransport>(
    "serve › after its end the sid is unreachable, and can be served again",
    async ({ open }) => {
      const [caller, server, successor] = [await open(), await open(), await open()];
      const first = recorder();
      const unserve = await server.serve("s1", first.handler);
      await caller.request("s1", push("1"), LONG);

      await unserve();
      await unserve();
      await assertRejects(() => caller.request("s1", push("2"), LONG), "GC_FRONTEND_UNREACHABLE");
      const second = recorder();
      await successor.serve("s1", second.handler);
      await caller.request("s1", push("3"), LONG);

      assert.deepEqual(first.bodies, ["1"]);
      assert.deepEqual(second.bodies, ["3"]);
    },
  ),

  defineCase<RpcTransport>(
    "serve › what has ended and is ended again does not end what was begun since",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const { bodies, handler } = recorder();
      const unserve = await server.serve("s1", handler);
      await unserve();

      await server.serve("s1", handler);
      await unserve();

      await caller.request("s1", push("1"), LONG);
      assert.deepEqual(bodies, ["1"]);
    },
  ),

  defineCase<RpcTransport>("serve › the end of one sid does not end another", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const unserve = await server.serve("s1", () => DELIVERED);
    await server.serve("s2", () => DELIVERED);

    await unserve();

    await assertRejects(() => caller.request("s1", push("1"), LONG), "GC_FRONTEND_UNREACHABLE");
    assertSameData(await caller.request("s2", push("1"), LONG), DELIVERED);
  }),
];

export const stopCases = [
  defineCase<RpcTransport>("stop › what it served gets no more requests", async ({ open, stop }) => {
    const [caller, server] = [await open(), await open()];
    if (!server.stop) return;
    const { bodies, handler } = recorder();
    await server.serve("s1", handler);
    await caller.request("s1", push("1"), LONG);

    await stop(server);

    await assert.rejects(async () => caller.request("s1", push("2"), SHORT), isGlobalChannelError);
    assert.deepEqual(bodies, ["1"]);
  }),

  defineCase<RpcTransport>(
    "stop › a request under way still settles, at its deadline at the latest",
    async ({ open, stop }) => {
      const [caller, server] = [await open(), await open()];
      let handling = false;
      await server.serve("s1", () => {
        handling = true;
        return new Promise<never>(() => {});
      });
      const request = caller.request("s1", push("1"), { timeoutMs: 1_000 });
      let settled: unknown;
      request.then(
        (reply) => (settled = reply),
        (error: unknown) => (settled = error),
      );
      await eventually(() => assert.ok(handling, "the handler was not called"));

      await stop(caller, true);

      await eventually(() => assert.ok(isGlobalChannelError(settled), "the request has not failed"));
    },
  ),
];
