import assert from "node:assert/strict";
import { CAPABILITY_METHODS } from "../../capabilities.js";
import type { ChannelManager, ManagerCapabilities } from "../../types.js";
import { type ConformanceCase, type Stage, defineCase, missingCapabilities } from "../case.js";

/** A manager that has the methods of these capabilities. */
export type ManagerWith<K extends keyof ManagerCapabilities> = ChannelManager &
  Required<Pick<ChannelManager, (typeof CAPABILITY_METHODS)[K][number]>>;

/** Makes a case whose managers have what it requires. */
export function managerCase<K extends keyof ManagerCapabilities = never>(
  name: string,
  requires: readonly K[],
  body: (stage: Stage<ManagerWith<K>>) => Promise<void>,
): ConformanceCase<ChannelManager> {
  const checked = defineCase<ChannelManager>(name, (stage) =>
    body({
      ...stage,
      async open() {
        const manager = await stage.open();
        const missing = missingCapabilities({ requires }, manager.capabilities);
        assert.deepEqual(
          missing,
          [],
          "the manager does not declare what this case requires: skip it (missingCapabilities)",
        );
        return manager as ManagerWith<K>;
      },
    }),
  );
  return { ...checked, requires };
}
