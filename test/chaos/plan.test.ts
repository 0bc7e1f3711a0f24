import test from "ava";

import { homesOf, planFaults, planOps } from "./plan.js";
import { DEFAULTS, FAULTS, type Settings } from "./settings.js";

const seeded = (seed: number, changed: Partial<Settings> = {}): Settings => ({ ...DEFAULTS, seed, ...changed });

test("the same seed plans the same faults, operations and homes, another one others", (t) => {
  for (const plan of [planFaults, planOps, homesOf]) {
    t.deepEqual(plan(seeded(1)), plan(seeded(1)));
    t.notDeepEqual(plan(seeded(1)), plan(seeded(2)));
  }
});

test("faults of one target do not overlap, those of others do, and all end before the run does", (t) => {
  let overlaps = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const faults = planFaults(seeded(seed));
    for (const [index, fault] of faults.entries()) {
      t.true(fault.at + fault.ms <= DEFAULTS.seconds * 1000);
      for (const later of faults.slice(index + 1)) {
        if (later.at >= fault.at + fault.ms) continue;
        t.notDeepEqual(later.target, fault.target, `seed ${seed}: ${JSON.stringify([fault, later])}`);
        overlaps++;
      }
    }
  }
  t.true(overlaps > 100, `${overlaps} overlap`);
});

test("every kind of fault comes, and with `only` no other", (t) => {
  const kinds = new Set(
    Array.from({ length: 20 }, (_, seed) => planFaults(seeded(seed)).map(({ kind }) => kind)).flat(),
  );
  // A clock is off from the start of a process on.
  t.deepEqual([...kinds, "clock"].toSorted(), [...FAULTS].toSorted());

  const only = planFaults(seeded(1, { only: ["cut", "flush"] }));
  t.deepEqual([...new Set(only.map(({ kind }) => kind))].toSorted(), ["cut", "flush"]);
});

test("how many faults a target gets does not change those of the others", (t) => {
  const few = planFaults(seeded(1, { frontends: 2 }));
  const more = planFaults(seeded(1, { frontends: 3 }));

  t.deepEqual(
    more.filter(({ target }) => !(target.role === "frontend" && target.index === 2)),
    few,
  );
});
