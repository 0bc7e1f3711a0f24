import test from "ava";
import {
  channelHistoryConformance,
  type ConformanceCase,
  channelManagerConformance,
  rpcTransportConformance,
  serverRegistryConformance,
} from "../../src/conformance/index.js";
import type { Broken } from "./broken/broken.js";
import { withOwnClock } from "../support/own-clock.js";
import { distant } from "./broken/distant.js";
import { brokenHistories } from "./broken/histories.js";
import { brokenManagers } from "./broken/managers.js";
import { brokenRegistries } from "./broken/registries.js";
import { brokenTransports } from "./broken/transports.js";

/** The names of the cases that find what is broken. */
async function findings<T>(cases: readonly ConformanceCase<T>[], broken: Broken<T>): Promise<string[]> {
  const concerned = cases.filter(({ name }) => {
    const [topics = ""] = name.split(" › ");
    return !broken.topics || [topics, ...topics.split(", ")].some((topic) => broken.topics!.includes(topic));
  });
  const results = await Promise.allSettled(
    concerned.map((c) => {
      const harness = broken.make();
      return withOwnClock(() => c.run(() => harness));
    }),
  );
  return concerned.filter((_, index) => results[index]?.status === "rejected").map(({ name }) => name);
}

/** Shows that each broken implementation is found, and that each case finds one. */
function finds<T>(contract: string, cases: readonly ConformanceCase<T>[], all: readonly Broken<T>[]): void {
  const found = all.map((broken) => {
    let names: Promise<string[]> | undefined;
    return () => (names ??= findings(cases, broken));
  });

  for (const [index, broken] of all.entries()) {
    test(`${contract} › found: ${broken.does}`, async (t) => {
      t.not((await found[index]!()).length, 0);
    });
  }

  test(`${contract} › every case finds something`, async (t) => {
    const names = new Set((await Promise.all(found.map((find) => find()))).flat());

    t.deepEqual(
      cases.filter(({ name }) => !names.has(name)).map(({ name }) => name),
      [],
    );
  });
}

for (const c of channelManagerConformance().filter(({ name }) => /^(interruption|stop) › /.test(name))) {
  // One by one, before the others: what is sound must be so in time.
  test.serial(`manager › sound, at a distance from its store › ${c.name}`, (t) =>
    t.notThrowsAsync(c.run(() => distant())),
  );
}

finds("manager", channelManagerConformance(), brokenManagers);
finds("registry", serverRegistryConformance(), brokenRegistries);
finds("transport", rpcTransportConformance(), brokenTransports);
finds("history", channelHistoryConformance(), brokenHistories);
