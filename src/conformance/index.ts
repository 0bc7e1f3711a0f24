/**
 * The contracts of globalchannel as data, for those who write a manager, a registry or a transport of their own. It needs
 * no test runner; with AVA, for example:
 *
 *     for (const c of channelManagerConformance()) {
 *       const missing = missingCapabilities(c, MyManager.capabilities);
 *       const run = missing.length > 0 ? test.skip : test;
 *       run(c.name, (t) => t.notThrowsAsync(() => c.run(() => ({ open: () => new MyManager({ prefix: randomUUID() }) }))));
 *     }
 */
export { type ConformanceCase, type Harness, type MakeHarness, missingCapabilities } from "./case.js";
export { channelManagerConformance } from "./managers.js";
export { serverRegistryConformance } from "./registries.js";
export { rpcTransportConformance } from "./transports.js";
