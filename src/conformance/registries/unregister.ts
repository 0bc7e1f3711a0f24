import assert from "node:assert/strict";
import type { ServerRegistry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameItems } from "../expect.js";
import { LONG_MS, S1, S1_NEXT, S2, goDead, goLive } from "./frontends.js";

export const unregisterCases = [
  defineCase<ServerRegistry>(
    "unregister › the frontend is forgotten, and the sid is free at once",
    async ({ open }) => {
      const [registry, other] = [await open(), await open()];
      await goLive(registry, S1);
      await goLive(registry, S2);

      assert.equal(await registry.unregister({ sid: "s1", incarnation: "i1" }), true);
      assertSameItems(await registry.list(), [S2]);
      await goLive(other, S1_NEXT);
      assertSameItems(await registry.list(), [S1_NEXT, S2]);
    },
  ),

  defineCase<ServerRegistry>("unregister › resolves false for what is not there", async ({ open }) => {
    const registry = await open();
    assert.equal(await registry.unregister(S1), false);
    await goLive(registry, S1);

    assert.equal(await registry.unregister(S2), false);
    assert.equal(await registry.unregister(S1), true);
    assert.equal(await registry.unregister(S1), false);
    assert.equal(await registry.renew(S1, LONG_MS), "missing");
    assertSameItems(await registry.list(), [S1]);
  }),

  defineCase<ServerRegistry>("unregister › of an old incarnation does not hurt the new one", async (stage) => {
    const registry = await stage.open();
    await goDead(registry, S1, stage);
    await goLive(registry, S1_NEXT);

    await registry.unregister(S1);

    assertSameItems(await registry.list(), [S1_NEXT]);
    assert.equal(await registry.renew(S1_NEXT, LONG_MS), "held");
    assert.equal(await registry.unregister(S1_NEXT), true);
    assertSameItems(await registry.list(), []);
  }),

  defineCase<ServerRegistry>("forget › does nothing to a frontend whose lease has not ended", async ({ open }) => {
    const registry = await open();
    assert.equal(await registry.forget(S1), false, "unknown");
    await goLive(registry, S1);
    await registry.register(S2, LONG_MS);

    assert.equal(await registry.forget(S1), false, "live");
    assert.equal(await registry.forget(S1_NEXT), false, "another incarnation");
    assert.equal(await registry.forget(S2), false, "reserved");
    assertSameItems(await registry.list(), [S1]);
    assert.equal(await registry.renew(S2, LONG_MS), "held");
  }),

  defineCase<ServerRegistry>("forget › forgets a frontend whose lease has ended, once", async (stage) => {
    const [registry, other] = [await stage.open(), await stage.open()];
    await goDead(registry, S1, stage);

    const results = await Promise.all([registry.forget(S1), other.forget(S1), registry.forget(S1_NEXT)]);

    assertSameItems(results, [true, false, false]);
    assertSameItems(await registry.listDead(0), []);
    assert.equal(await registry.renew(S1, LONG_MS), "missing");
    assert.equal(await other.forget(S1), false);
    assertSameItems(await registry.list(), [S1]);
  }),
];
