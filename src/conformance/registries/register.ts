import assert from "node:assert/strict";
import { isGlobalChannelError } from "../../errors.js";
import type { FrontendInfo, ServerRegistry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameItems, eventually, numbered } from "../expect.js";
import { LONG_MS, S1, S1_NEXT, SHORT_MS, frontend, goDead, goLive } from "./frontends.js";

export const registerCases = [
  defineCase<ServerRegistry>(
    "register › reserves the sid, but the frontend is not listed before renew",
    async ({ open }) => {
      const registry = await open();

      await registry.register(S1, LONG_MS);
      assertSameItems(await registry.list(), []);
      await registry.renew(S1, LONG_MS);
      assertSameItems(await registry.list(), [S1]);
    },
  ),

  defineCase<ServerRegistry>(
    "register › refuses another incarnation of a live frontend and names the holder",
    async ({ open }) => {
      const [registry, other] = [await open(), await open()];
      await goLive(registry, S1);

      const error = await assertRejects(() => other.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");

      assert.equal(error.holder, S1.holder);
      assert.equal(error.sid, "s1");
      assertSameItems(await other.list(), [S1]);
      assert.equal(await registry.renew(S1, LONG_MS), "held");
    },
  ),

  defineCase<ServerRegistry>(
    "register › refuses another incarnation while the sid is only reserved",
    async ({ open }) => {
      const [registry, other] = [await open(), await open()];
      await registry.register(S1, LONG_MS);

      const error = await assertRejects(() => other.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");

      assert.equal(error.holder, S1.holder);
      assert.equal(await registry.renew(S1, LONG_MS), "held");
      assertSameItems(await registry.list(), [S1]);
    },
  ),

  defineCase<ServerRegistry>(
    "register › of a live frontend itself ends its being live, and the sid stays reserved",
    async (stage) => {
      const [registry, other] = [await stage.open(), await stage.open()];
      await goLive(registry, S1);

      await registry.register(S1, LONG_MS);

      assertSameItems(await other.list(), []);
      await assertRejects(() => other.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");
      assert.equal(await registry.unregister(S1), true);
      await goLive(other, S1_NEXT);
      assertSameItems(await other.list(), [S1_NEXT]);
    },
  ),

  defineCase<ServerRegistry>("register › the same incarnation may ask again", async ({ open }) => {
    const registry = await open();
    await registry.register(S1, LONG_MS);

    await registry.register(S1, LONG_MS);

    assert.equal(await registry.renew(S1, LONG_MS), "held");
    assertSameItems(await registry.list(), [S1]);
  }),

  defineCase<ServerRegistry>("register › of 20 concurrent incarnations one gets the sid", async ({ open }) => {
    const registries = [await open(), await open()] as const;

    const winners: FrontendInfo[] = [];
    await Promise.all(
      numbered("i", 20).map(async (incarnation, index) => {
        const info = frontend("s1", incarnation);
        try {
          await registries[index % 2 === 0 ? 0 : 1].register(info, LONG_MS);
          winners.push(info);
        } catch (error) {
          assert.equal(isGlobalChannelError(error) ? error.code : error, "GC_SID_IN_USE");
        }
      }),
    );

    assert.equal(winners.length, 1);
    assert.equal(await registries[0].renew(winners[0]!, LONG_MS), "held");
    assertSameItems(await registries[1].list(), winners);
  }),

  defineCase<ServerRegistry>(
    "register › once the lease has ended another incarnation may have the sid",
    async (stage) => {
      const registry = await stage.open();
      await goDead(registry, S1, stage);

      await registry.register(S1_NEXT, LONG_MS);

      assertSameItems(await registry.list(), []);
      assert.equal(await registry.renew(S1, LONG_MS), "taken");
      assert.equal(await registry.renew(S1_NEXT, LONG_MS), "held");
      assertSameItems(await registry.list(), [S1_NEXT]);
      assert.equal(await registry.renew(S1, LONG_MS), "taken");
      assertSameItems(await registry.list(), [S1_NEXT]);
      await assertRejects(() => registry.register(S1, LONG_MS), "GC_SID_IN_USE");
    },
  ),

  defineCase<ServerRegistry>("register › a reservation that is not renewed ends too", async ({ open, advance }) => {
    const [registry, other] = [await open(), await open()];
    await registry.register(S1, SHORT_MS);

    await advance(SHORT_MS);

    await eventually(async () => other.register(S1_NEXT, LONG_MS));
    assert.equal(await registry.renew(S1, LONG_MS), "taken");
    assert.equal(await other.renew(S1_NEXT, LONG_MS), "held");
  }),
];
