import assert from "node:assert/strict";
import type { FrontendRequest, RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, assertSameItems, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { DELIVERED, LONG, push, recorder } from "./requests.js";

export const orderCases = [
  defineCase<RpcTransport>(
    "request › 1,000 requests of one caller are handled in the order of the calls",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const { bodies, handler } = recorder();
      await server.serve("s1", handler);
      const sent = numbered("", 1_000);

      await Promise.all(sent.map((body) => caller.request("s1", push(body), LONG)));

      assert.deepEqual(bodies, sent);
    },
  ),

  defineCase<RpcTransport>(
    "request › the order holds for bodies of any size and requests of any type",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const handled: string[] = [];
      await server.serve("s1", async (request) => {
        handled.push(labelOf(request));
        // Some answers take longer than others: only the order in which requests are taken up is promised.
        if (handled.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        return request.type === "channels" ? { names: [] } : DELIVERED;
      });
      const sent = numbered("", 200);

      await Promise.all(
        sent.map((label, index) => {
          if (index % 5 === 4) return caller.request("s1", { type: "channels", uid: label }, LONG);
          if (index % 5 === 3) return caller.request("s1", { type: "disconnect", uids: [label], close: true }, LONG);
          return caller.request("s1", push(label.padEnd(index % 7 === 0 ? 200_000 : 10)), LONG);
        }),
      );

      assert.deepEqual(handled, sent);
    },
  ),

  defineCase<RpcTransport>(
    "request › every one of many concurrent requests gets its own answer, and is handled once",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      const handled: string[] = [];
      await server.serve("s1", async (request) => {
        const uid = request.type === "channels" ? request.uid : "";
        handled.push(uid);
        for (let turns = handled.length % 4; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        return { names: [`of ${uid}`] };
      });
      const uids = numbered("u", 500);

      const replies = await Promise.all(uids.map((uid) => caller.request("s1", { type: "channels", uid }, LONG)));

      assertSameData(
        replies,
        uids.map((uid) => ({ names: [`of ${uid}`] })),
      );
      assertSameItems(handled, uids);
    },
  ),

  defineCase<RpcTransport>("request › several callers each have their order and their answers", async ({ open }) => {
    const server = await open();
    const callers = [await open(), await open(), await open()];
    const handled: string[] = [];
    await server.serve("s1", (request) => {
      handled.push(request.type === "channels" ? request.uid : "");
      return { names: [request.type === "channels" ? request.uid : ""] };
    });

    const sent = callers.map((_, index) => numbered(`${index}:`, 200));
    const replies = await Promise.all(
      callers.map((caller, index) =>
        Promise.all(sent[index]!.map((uid) => caller.request("s1", { type: "channels", uid }, LONG))),
      ),
    );

    for (const [index, uids] of sent.entries()) {
      assertSameData(
        replies[index],
        uids.map((uid) => ({ names: [uid] })),
      );
      assert.deepEqual(
        handled.filter((uid) => uid.startsWith(`${index}:`)),
        uids,
      );
    }
    assert.equal(handled.length, 600);
  }),

  defineCase<RpcTransport>("request › reaches the frontend that was asked, and no other", async ({ open }) => {
    const [caller, server, other] = [await open(), await open(), await open()];
    for (const [index, sid] of AWKWARD_NAMES.entries()) {
      await (index % 2 === 0 ? server : other).serve(sid, () => ({ names: [sid] }));
    }

    const replies = await Promise.all(
      AWKWARD_NAMES.map((sid) => caller.request(sid, { type: "channels", uid: "ann" }, LONG)),
    );

    assertSameData(
      replies,
      AWKWARD_NAMES.map((sid) => ({ names: [sid] })),
    );
  }),

  defineCase<RpcTransport>("request › a frontend that does not answer holds up no other", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await server.serve("stuck", () => released.then(() => DELIVERED));
    await server.serve("s1", () => DELIVERED);

    const [stuck, reply] = await Promise.all([
      caller.request("stuck", push("1"), LONG),
      caller.request("s1", push("2"), LONG).finally(() => release()),
    ]);

    assertSameData([stuck, reply], [DELIVERED, DELIVERED]);
  }),
];

function labelOf(request: FrontendRequest): string {
  switch (request.type) {
    case "push":
      return request.body.slice(0, 10).trim();
    case "disconnect":
      return request.uids.join();
    case "channels":
      return request.uid;
  }
}
