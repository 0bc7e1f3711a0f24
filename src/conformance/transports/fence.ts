import assert from "node:assert/strict";
import type { RpcTransport } from "../../types.js";
import { defineCase } from "../case.js";
import { numbered } from "../expect.js";
import { push, recorder } from "./requests.js";

export const fenceCases = [
  defineCase<RpcTransport>(
    "fence › once it resolves all has been handed over that was sent before",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      // Only where it is there is it known what it waits for.
      if (!server.fence || !caller.send) return;
      const { bodies, handler } = recorder();
      await server.serve("s1", handler);

      for (const round of numbered("", 10)) {
        const sent = numbered(`${round}:`, 200);
        await Promise.all(sent.map((body) => caller.send!("s1", push(body))));
        await server.fence("s1");

        assert.deepEqual(bodies.splice(0), sent);
      }
    },
  ),

  defineCase<RpcTransport>(
    "fence › hinders nothing that is sent later, and is none for a frontend of others",
    async ({ open }) => {
      const [caller, server] = [await open(), await open()];
      if (!server.fence || !caller.send) return;
      const { bodies, handler } = recorder();
      await server.serve("s1", handler);

      await server.fence("s2");
      await server.fence("s1");
      await caller.send("s1", push("1"));
      await server.fence("s1");

      assert.deepEqual(bodies, ["1"]);
    },
  ),
];
