import test from "ava";
import {
  type Harness,
  channelHistoryConformance,
  channelManagerConformance,
  KEPT_CHANNELS,
  rpcTransportConformance,
  serverRegistryConformance,
} from "../../src/conformance/index.js";
import { MemoryChannelHistory } from "../../src/histories/memory.js";
import { memory } from "../../src/memory.js";
import { setAhead, withOwnClock } from "../support/own-clock.js";

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

for (const c of channelHistoryConformance()) {
  test(`history › ${c.name}`, (t) =>
    t.notThrowsAsync(() =>
      withOwnClock(() =>
        c.run(() => ({ ...same(new MemoryChannelHistory({ channels: KEPT_CHANNELS })), advance: setAhead })),
      ),
    ));
}
