import assert from "node:assert/strict";
import type { FrontendRequest, RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, assertSameItems, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { DELIVERED, LONG, push, recorder } from "./requests.js";

export const contentCases = [
  defineCase<RpcTransport>("request › resolves what the handler answers to a push", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", async () => ({ delivered: 3, failed: ["ann", "日本 😀"] }));

    assertSameData(await caller.request("s1", push("1"), LONG), { delivered: 3, failed: ["ann", "日本 😀"] });
  }),

  defineCase<RpcTransport>("request › resolves of whom the handler does not know it", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const replies = [
      { delivered: 1, failed: [], unknown: ["日本 😀"] },
      { delivered: 0, failed: ["ann"], unknown: ["ben"] },
      { delivered: 2, failed: [] },
    ];
    const left = [...replies];
    await server.serve("s1", () => left.shift()!);

    for (const reply of replies) assertSameData(await caller.request("s1", push("1"), LONG), reply);
  }),

  defineCase<RpcTransport>("request › resolves what the handler answers about channels", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", (request) => ({ names: request.type === "channels" ? ["room", request.uid] : [] }));

    for (const uid of ["ann", "日本 😀\n"]) {
      assertSameData(await caller.request("s1", { type: "channels", uid }, LONG), { names: ["room", uid] });
    }
  }),

  defineCase<RpcTransport>("request › the handler gets every kind of request as it was sent", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const seen: FrontendRequest[] = [];
    await server.serve("s1", (request) => {
      seen.push(structuredClone(request));
      return request.type === "channels" ? { names: [] } : DELIVERED;
    });
    const requests: FrontendRequest[] = [
      push("{}"),
      { ...push('"to some"'), target: { uids: ["ann", "ben"] } },
      {
        ...push("[1,2]"),
        target: {
          channels: [
            { name: "room", version: "aB-_.17" },
            { name: "hall", version: "x.1" },
          ],
        },
      },
      { ...push("null"), route: "room.left", except: ["ann"] },
      { ...push("0"), target: { uids: [] }, except: [] },
      { type: "channels", uid: "ann" },
      { type: "disconnect", uids: ["ann", "日本 😀"], close: true },
      { type: "disconnect", uids: [], close: false },
    ];

    for (const request of requests) await caller.request("s1", request, LONG);

    assertSameData(seen, requests);
  }),

  defineCase<RpcTransport>("request › the body comes through byte for byte", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const { bodies, handler } = recorder();
    await server.serve("s1", handler);
    const sent = [
      '{ "spaces" :  1.0,\n\t"order": [ ], "1e2": 1e2, "big": 12345678901234567890 }',
      '"\\u0000\\u2028 escaped, \u2028\u2029 not, \\/ \\" \\\\ \\ud800"',
      JSON.stringify({
        composed: "\u00e9",
        decomposed: "e\u0301",
        emoji: "👨‍👩‍👧",
        text: "日本 \ufeff \u202e",
        control: "\u007f",
      }),
      ...AWKWARD_NAMES.map((name) => JSON.stringify(name)),
      "null",
      '""',
    ];

    for (const body of sent) await caller.request("s1", push(body), LONG);

    assert.deepEqual(bodies, sent);
  }),

  defineCase<RpcTransport>("request › names come through as they were given", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const seen: FrontendRequest[] = [];
    await server.serve("s1", (request) => {
      seen.push(structuredClone(request));
      return { delivered: 0, failed: AWKWARD_NAMES };
    });
    const request = { ...push("1"), target: { uids: AWKWARD_NAMES }, except: AWKWARD_NAMES };
    const channels = AWKWARD_NAMES.map((name) => ({ name, version: "e.1" }));

    const reply = await caller.request("s1", request, LONG);
    await caller.request("s1", { ...request, target: { channels }, route: AWKWARD_NAMES.at(-1)! }, LONG);

    assertSameData(seen, [request, { ...request, target: { channels }, route: AWKWARD_NAMES.at(-1) }]);
    assertSameData(reply, { delivered: 0, failed: AWKWARD_NAMES });
  }),

  defineCase<RpcTransport>("request › a body of 1 MB comes through", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    const { bodies, handler } = recorder();
    await server.serve("s1", handler);
    const body = JSON.stringify("\u00e9😀x".repeat(1_048_576 / 7));
    assert.ok(Buffer.byteLength(body) > 1_000_000, "the body is 1 MB");

    for (let count = 0; count < 3; count++) assertSameData(await caller.request("s1", push(body), LONG), DELIVERED);

    assert.ok(bodies.length === 3 && bodies.every((received) => received === body), "a body was changed");
  }),

  defineCase<RpcTransport>("request › 10,000 uids in the request and in the answer come through", async ({ open }) => {
    const [caller, server] = [await open(), await open()];
    await server.serve("s1", (request) => ({
      delivered: 0,
      failed: request.type === "push" && "uids" in request.target ? request.target.uids : [],
    }));
    const uids = numbered("user-", 10_000);

    const { failed } = await caller.request("s1", { ...push("1"), target: { uids } }, LONG);

    assertSameItems(failed, uids);
  }),
];
