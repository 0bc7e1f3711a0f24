import assert from "node:assert/strict";
import { isGlobalChannelError } from "../../errors.js";
import type { LeaseState, ServerRegistry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertRejects, assertSameItems, countTrue, eventually, numbered } from "../expect.js";
import { AWKWARD_NAMES, COLLIDING_PAIRS } from "../samples.js";
import { LONG_MS, S1, S1_NEXT, S2, SHORT_MS, frontend, goDead, goLive } from "./frontends.js";

/** Leases followed to their ends, which several callers bring about at the same time. */
export const leaseLifeCases = [
  defineCase<ServerRegistry>("register › names the holder, however it and the sid are called", async ({ open }) => {
    const [registry, other] = [await open(), await open()];

    await Promise.all(
      AWKWARD_NAMES.map(async (name) => {
        await registry.register({ sid: name, incarnation: name, stype: name, holder: name }, LONG_MS);
        const next = frontend(name, "next life");
        const error = await assertRejects(() => other.register(next, LONG_MS), "GC_SID_IN_USE");
        assert.deepEqual([error.sid, error.holder], [name, name]);
        assert.equal(await other.renew(next, LONG_MS), "taken");
      }),
    );
    assertSameItems(await other.list(), []);
  }),

  defineCase<ServerRegistry>(
    "register, renew › when a lease has ended, either the old one has it again or the new one has it",
    async (stage) => {
      const registries = [await stage.open(), await stage.open()] as const;
      const sids = numbered("s", 30);
      await Promise.all(sids.map((sid) => goLive(registries[0], frontend(sid), SHORT_MS)));
      await stage.advance(SHORT_MS);
      await eventually(async () => assertSameItems(await registries[0].list(), []));

      await Promise.all(
        sids.map(async (sid, index) => {
          const [old, next] = [frontend(sid), frontend(sid, "i2")];
          const renew = () => registries[0].renew(old, LONG_MS);
          const register = async () => {
            try {
              await registries[1].register(next, LONG_MS);
              return "registered";
            } catch (error) {
              return isGlobalChannelError(error) ? error.code : error;
            }
          };
          const [state, outcome] =
            index % 2 === 0
              ? await Promise.all([renew(), register()])
              : (await Promise.all([register(), renew()])).toReversed();
          assert.deepEqual([state, outcome], state === "taken" ? ["taken", "registered"] : ["lapsed", "GC_SID_IN_USE"]);
          assert.equal(await registries[1].renew(next, LONG_MS), state === "taken" ? "held" : "taken");
        }),
      );
      assert.equal((await registries[0].list()).length, 30);
    },
  ),

  defineCase<ServerRegistry>("list › no two pairs of stype and holder are mixed up", async ({ open }) => {
    const [registry, other] = [await open(), await open()];
    const frontends = COLLIDING_PAIRS.map(([stype, holder], index) => ({ ...frontend(`s${index}`), stype, holder }));

    await Promise.all(frontends.map((info) => goLive(registry, info)));

    assertSameItems(await other.list(), frontends);
  }),

  defineCase<ServerRegistry>("listDead › resolves one that was only reserved, as it was registered", async (stage) => {
    const [registry, other] = [await stage.open(), await stage.open()];
    const reserved = AWKWARD_NAMES.map((name) => ({ sid: name, incarnation: name, stype: name, holder: name }));
    await Promise.all(reserved.map((info) => registry.register(info, SHORT_MS)));
    await registry.register(S2, LONG_MS);

    await stage.advance(SHORT_MS);

    await eventually(async () => assertSameItems(await other.listDead(0), reserved));
    assertSameItems(await registry.list(), []);
  }),

  defineCase<ServerRegistry>("unregister › of one that is only reserved frees the sid", async ({ open }) => {
    const [registry, other] = [await open(), await open()];
    await registry.register(S1, LONG_MS);

    assert.equal(await other.unregister(S1_NEXT), false, "another incarnation");
    assert.equal(await other.unregister(S1), true);

    await goLive(other, S1_NEXT);
    assertSameItems(await registry.list(), [S1_NEXT]);
    assert.equal(await registry.renew(S1, LONG_MS), "taken");
  }),

  defineCase<ServerRegistry>("unregister › of concurrent calls one resolves that it was there", async ({ open }) => {
    const registries = [await open(), await open()] as const;
    await goLive(registries[0], S1);
    await goLive(registries[0], S2);

    const results = await Promise.all(
      numbered("", 20).map((_, index) => registries[index % 2 === 0 ? 0 : 1].unregister(S1)),
    );

    assert.equal(countTrue(results), 1);
    assertSameItems(await registries[1].list(), [S2]);
  }),

  defineCase<ServerRegistry>("forget › forgets a reservation that has ended, and its sid is free", async (stage) => {
    const [registry, other] = [await stage.open(), await stage.open()];
    await registry.register(S1, SHORT_MS);

    await stage.advance(SHORT_MS);

    await eventually(async () => assert.equal(await other.forget(S1), true));
    assertSameItems(await registry.listDead(0), []);
    assert.equal(await registry.renew(S1_NEXT, LONG_MS), "missing");
  }),

  defineCase<ServerRegistry>("forget, renew › at the same time, one comes first and the other knows", async (stage) => {
    const registries = [await stage.open(), await stage.open()] as const;

    for (let round = 0; round < 2; round++) {
      await goDead(registries[0], S1, stage);
      const forget = () => registries[0].forget(S1);
      const renew = () => registries[1].renew(S1, LONG_MS);
      const [forgot, state] =
        round % 2 === 0
          ? await Promise.all([forget(), renew()])
          : (await Promise.all([renew(), forget()])).toReversed();

      assert.deepEqual([forgot, state], forgot === true ? [true, "missing"] : [false, "lapsed"]);
      assertSameItems(await registries[0].list(), [S1]);
    }
  }),
];

/** What a failure of the network, or the end of an instance, leaves of the leases. */
export const leaseInterruptionCases = [
  defineCase<ServerRegistry>("interruption › leases last, and can be renewed again", async ({ open, interrupt }) => {
    const [registry, other] = [await open(), await open()];
    await goLive(registry, S1);
    await registry.register(S2, LONG_MS);

    for (let round = 0; round < 3; round++) {
      const underWay = Promise.allSettled(numbered("", 20).map(async () => registry.renew(S1, LONG_MS)));
      await interrupt();
      await underWay;

      // The first answer counts: a later one would tell of what the first renewal has made good.
      let state: LeaseState | undefined;
      await eventually(async () => void (state = await registry.renew(S1, LONG_MS)));
      assert.equal(state, "held");
      await eventually(async () => assertSameItems(await other.list(), [S1]));
      await eventually(async () => void (await assertRejects(() => other.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE")));
    }
    assert.equal(await other.renew(S2, LONG_MS), "held");
    assert.equal(await registry.unregister(S1), true);
  }),

  defineCase<ServerRegistry>("stop › leases outlast the instance, and a second stop does nothing", async (stage) => {
    const [registry, other] = [await stage.open(), await stage.open()];
    await goLive(registry, S1);

    await stage.stop(registry);
    await stage.stop(registry, true);

    // Whoever is the store itself was stopped together with it.
    const next = other === registry ? await stage.open() : other;
    assertSameItems(await next.list(), [S1]);
    await assertRejects(() => next.register(S1_NEXT, LONG_MS), "GC_SID_IN_USE");
    assert.equal(await next.renew(S1, LONG_MS), "held");
  }),
];
