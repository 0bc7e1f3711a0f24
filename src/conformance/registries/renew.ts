import assert from "node:assert/strict";
import type { ServerRegistry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameItems, eventually, numbered } from "../expect.js";
import { LONG_MS, S1, S1_NEXT, SHORT_MS, frontend, goDead, goLive } from "./frontends.js";

export const renewCases = [
  defineCase<ServerRegistry>("renew › keeps the frontend live and says held", async ({ open, advance }) => {
    const registry = await open();
    await goLive(registry, S1, SHORT_MS);
    // On a slow machine the short lease may have ended already, so the answer is not looked at.
    await registry.renew(S1, LONG_MS);

    for (let count = 0; count < 5; count++) assert.equal(await registry.renew(S1, LONG_MS), "held");

    await advance(2 * SHORT_MS);
    assertSameItems(await registry.list(), [S1]);
    assert.equal(await registry.renew(S1, LONG_MS), "held");
  }),

  defineCase<ServerRegistry>(
    "renew › the lease runs from the last renew, also where that is shorter",
    async ({ open, advance }) => {
      const registry = await open();
      await goLive(registry, S1);

      await registry.renew(S1, SHORT_MS);
      await advance(SHORT_MS);

      await eventually(async () => assertSameItems(await registry.list(), []));
    },
  ),

  defineCase<ServerRegistry>(
    "renew › a lease that had ended and that nobody took is lapsed, and held again",
    async (stage) => {
      const registry = await stage.open();
      await goDead(registry, S1, stage);

      assert.equal(await registry.renew(S1, LONG_MS), "lapsed");
      assertSameItems(await registry.list(), [S1]);
      assert.equal(await registry.renew(S1, LONG_MS), "held");
      await assertRejects(() => registry.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");
    },
  ),

  defineCase<ServerRegistry>(
    "renew › a lease that the registry knows nothing of is missing, and held again",
    async ({ open }) => {
      const registry = await open();

      assert.equal(await registry.renew(S1, LONG_MS), "missing");
      assertSameItems(await registry.list(), [S1]);
      assert.equal(await registry.renew(S1, LONG_MS), "held");
      await assertRejects(() => registry.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");
    },
  ),

  defineCase<ServerRegistry>(
    "renew › changes nothing where another incarnation holds the sid: taken",
    async ({ open }) => {
      const [registry, other] = [await open(), await open()];
      await goLive(registry, S1);

      assert.equal(await other.renew(S1_NEXT, LONG_MS), "taken");

      assertSameItems(await registry.list(), [S1]);
      assert.equal(await registry.renew(S1, LONG_MS), "held");
      assert.equal(await registry.unregister(S1), true);
    },
  ),

  defineCase<ServerRegistry>("renew › 200 frontends at the same time are all listed", async ({ open }) => {
    const registries = [await open(), await open()] as const;
    const frontends = numbered("s", 200).map((sid) => frontend(sid));

    await Promise.all(frontends.map((info, index) => goLive(registries[index % 2 === 0 ? 0 : 1], info)));

    assertSameItems(await registries[0].list(), frontends);
    assertSameItems(await registries[1].list(), frontends);
  }),
];
