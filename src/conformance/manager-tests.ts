import assert from "node:assert/strict";
import { adaptManager } from "../cluster/adapted-manager.js";
import type { CallbackManager, ChannelManager } from "../types.js";
import { missingCapabilities } from "./case.js";
import { channelManagerConformance } from "./managers.js";

/** One sentence of the contract as test runners take it. */
export interface ManagerTest {
  readonly name: string;
  /** Rejects where the manager breaks the contract; 30 s is the longest that it takes. */
  readonly run: () => Promise<void>;
}

/**
 * The cases of {@link channelManagerConformance} that apply to a manager, by what it declares. They are to run one after the other:
 * all of them on the same store, which the manager's own `clean` empties before each. The manager is held to them as
 * services use it, so that it may be one that calls back, and its errors may be of any kind.
 *
 * @param open gives another instance on that store, or, where the instance is the store, the same one again
 */
export function channelManagerTests(open: () => ChannelManager | CallbackManager): ManagerTest[] {
  const { capabilities } = adaptManager(open());
  const applicable = channelManagerConformance().filter((c) => missingCapabilities(c, capabilities).length === 0);
  return applicable.map(({ name, run }) => ({
    name,
    run: () =>
      run(async () => {
        await empty(open());
        return { open: () => adaptManager(open()) };
      }),
  }));
}

async function empty(manager: ChannelManager | CallbackManager): Promise<void> {
  assert.ok(
    manager.clean,
    "the manager has no clean(): give each case a store of its own, with channelManagerConformance()",
  );
  const adapted = adaptManager(manager);
  await adapted.start?.();
  try {
    await adapted.clean?.();
  } finally {
    await adapted.stop?.();
  }
}
