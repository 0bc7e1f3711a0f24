import assert from "node:assert/strict";
import type { FrontendRequest, RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, numbered } from "../expect.js";
import { DELIVERED, LONG, push, recorder } from "./requests.js";

/** As services do it: a transport that lacks `send` is asked, and what comes of it dropped. */
async function send(caller: RpcTransport, sid: string, request: FrontendRequest): Promise<void> {
  if (caller.send) await caller.send(sid, request);
  else caller.request(sid, request, LONG).catch(() => {});
}

export const sendCases = [
  defineCase<RpcTransport>(
    "send › is handled once, in the order of the calls, those of request among them",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const { bodies, handler } = recorder();
      await server.serve("s1", handler);
      const sent = numbered("", 1_000);

      const calls = sent.map((body, index) =>
        index % 3 === 0 ? caller.request("s1", push(body), LONG) : send(caller, "s1", push(body)),
      );
      await Promise.all(calls);
      // What was called for before it is handled before it.
      await caller.request("s1", push("last"), LONG);

      assert.deepEqual(bodies, [...sent, "last"]);
    },
  ),

  defineCase<RpcTransport>("send › resolves though the handler never answers", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await server.serve("s1", () => released.then(() => DELIVERED));

    await send(caller, "s1", push("1"));

    release();
  }),

  defineCase<RpcTransport>("send › what the handler throws fails no other request", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", (request) => {
      if (request.type === "push" && request.body === "bad") throw new Error("cannot take it");
      return DELIVERED;
    });

    await send(caller, "s1", push("bad"));
    const reply = await caller.request("s1", push("good"), LONG);

    assertSameData(reply, DELIVERED);
  }),

  defineCase<RpcTransport>(
    "send › to a frontend that nobody serves resolves, or rejects with GC_FRONTEND_UNREACHABLE",
    async ({ open }) => {
      const caller = await open();

      const outcome = await send(caller, "nobody", push("1")).then(
        () => "sent",
        (error: { code?: unknown }) => error.code,
      );

      assert.ok(outcome === "sent" || outcome === "GC_FRONTEND_UNREACHABLE", `it failed with ${String(outcome)}`);
    },
  ),
];
