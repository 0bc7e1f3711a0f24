/**
 * The contracts of globalchannel as data, for those who write a manager, a registry, a transport or a history of their own. It needs
 * no test runner; with AVA, for example:
 *
 *     for (const c of channelManagerConformance()) {
 *       const missing = missingCapabilities(c, MyManager.capabilities);
 *       const run = missing.length > 0 ? test.skip : test;
 *       run(c.name, (t) => t.notThrowsAsync(() => c.run(() => ({ open: () => new MyManager({ prefix: randomUUID() }) }))));
 *     }
 *
 * What a case does not know how to do, the harness does for it: `advance` lets time pass where the clock is not the real one,
 * and `interrupt` breaks the connections to the store in the middle of a call. Without it those cases see no failure but the
 * end of an instance by force.
 */
export { type ConformanceCase, type Harness, type MakeHarness, missingCapabilities } from "./case.js";
export { channelHistoryConformance, KEPT_CHANNELS } from "./histories.js";
export { channelManagerTests, type ManagerTest } from "./manager-tests.js";
export { channelManagerConformance } from "./managers.js";
export { serverRegistryConformance } from "./registries.js";
export { rpcTransportConformance } from "./transports.js";
