import assert from "node:assert/strict";
import type { ServerRegistry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameItems, eventually } from "../expect.js";
import { AWKWARD_NAMES, COLLIDING_PAIRS } from "../samples.js";
import { LONG_MS, S1, S1_NEXT, S2, SHORT_MS, frontend, goDead, goLive } from "./frontends.js";

export const listCases = [
  defineCase<ServerRegistry>("list › resolves what was registered, from every instance", async ({ open }) => {
    const [registry, other] = [await open(), await open()];
    assertSameItems(await registry.list(), []);
    const gate = frontend("s2", "i7", "gate");

    await goLive(registry, S1);
    await goLive(registry, gate);

    assertSameItems(await registry.list(), [S1, gate]);
    assertSameItems(await other.list(), [S1, gate]);
    assert.equal(await other.renew(S1, LONG_MS), "held");
  }),

  defineCase<ServerRegistry>(
    "list › a frontend is not listed once its lease has ended; the others are",
    async (stage) => {
      const [registry, other] = [await stage.open(), await stage.open()];
      await goLive(registry, S2);

      await goDead(registry, S1, stage);

      assertSameItems(await registry.list(), [S2]);
      assertSameItems(await other.list(), [S2]);
    },
  ),

  defineCase<ServerRegistry>("list › names of every kind come back as they were given", async ({ open }) => {
    const [registry, other] = [await open(), await open()];
    const frontends = AWKWARD_NAMES.map((name) => ({ sid: name, incarnation: name, stype: name, holder: name }));

    await Promise.all(frontends.map((info) => goLive(registry, info)));

    assertSameItems(await other.list(), frontends);
    for (const info of frontends) assert.equal(await other.unregister(info), true, info.sid);
    assertSameItems(await registry.list(), []);
  }),

  defineCase<ServerRegistry>("list › no two pairs of sid and incarnation are one frontend", async ({ open }) => {
    const registry = await open();

    for (const [sid, incarnation] of COLLIDING_PAIRS) {
      const info = frontend(sid, incarnation);
      await goLive(registry, info);
      assertSameItems(await registry.list(), [info]);
      assert.equal(await registry.unregister({ sid, incarnation: `${incarnation}:` }), false);
      assert.equal(await registry.unregister(info), true);
    }
  }),

  defineCase<ServerRegistry>(
    "listDead › resolves a frontend whose lease ended more than the grace ago",
    async (stage) => {
      const [registry, other] = [await stage.open(), await stage.open()];
      await goLive(registry, S2);
      assertSameItems(await registry.listDead(0), [], "live");

      await goDead(registry, S1, stage);

      assertSameItems(await other.listDead(LONG_MS), [], "within the grace");
      await stage.advance(SHORT_MS);
      await eventually(async () => assertSameItems(await other.listDead(SHORT_MS), [S1]));
      assertSameItems(await registry.listDead(SHORT_MS), [S1], "until it is forgotten");
      assertSameItems(await registry.list(), [S2]);
    },
  ),

  defineCase<ServerRegistry>("listDead › no longer resolves one that was renewed", async (stage) => {
    const registry = await stage.open();
    await goDead(registry, S1, stage);
    await eventually(async () => assertSameItems(await registry.listDead(0), [S1]));

    await registry.renew(S1, LONG_MS);

    assertSameItems(await registry.listDead(0), []);
  }),

  defineCase<ServerRegistry>(
    "listDead › no longer resolves one that was unregistered, and does again when it dies again",
    async (stage) => {
      const registry = await stage.open();
      await goDead(registry, S1, stage);

      assert.equal(await registry.unregister(S1), true);
      assertSameItems(await registry.listDead(0), []);
      assert.equal(await registry.unregister(S1), false);
      await goDead(registry, S1_NEXT, stage);
      await eventually(async () => assertSameItems(await registry.listDead(0), [S1_NEXT]));
    },
  ),

  defineCase<ServerRegistry>(
    "listDead › does not resolve an incarnation that is live again under the same sid",
    async (stage) => {
      const registry = await stage.open();
      await goDead(registry, S1, stage);

      await goLive(registry, S1_NEXT);

      const dead = await registry.listDead(0);
      assert.ok(!dead.some(({ incarnation }) => incarnation === S1_NEXT.incarnation), "a live one is listed as dead");
      assertSameItems(await registry.list(), [S1_NEXT]);
    },
  ),
];
