import test from "ava";
import {
  type Harness,
  channelManagerConformance,
  rpcTransportConformance,
  serverRegistryConformance,
} from "../../src/conformance/index.js";
import { memory } from "../../src/memory.js";

/** Memory is its own store, so "another instance" is the same one. */
function same<T>(instance: T): Harness<T> {
  return { open: () => instance };
}

for (const c of channelManagerConformance()) {
  test(`manager › ${c.name}`, (t) => t.notThrowsAsync(() => c.run(() => same(memory().manager))));
}

for (const c of serverRegistryConformance()) {
  test(`registry › ${c.name}`, (t) => t.notThrowsAsync(() => c.run(() => same(memory().registry))));
}

for (const c of rpcTransportConformance()) {
  test(`transport › ${c.name}`, (t) => t.notThrowsAsync(() => c.run(() => same(memory().transport))));
}
