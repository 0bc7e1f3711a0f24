import { numbers } from "../cluster.js";
import { FrameworkClient, type ConnectorAddress } from "./framework-client.js";
import type { Teardown } from "./teardown.js";

/** Connects clients to one connector. */
export function connectAt(
  t: Teardown,
  connector: ConnectorAddress,
  uids: readonly string[],
): Promise<FrameworkClient[]> {
  return FrameworkClient.connectAll(
    t,
    uids.map((uid) => ({ uid, connector })),
  );
}

/** Connects `user-1` to the first connector, `user-2` to the second, and so on. */
export function connectOverAll(
  t: Teardown,
  connectors: readonly ConnectorAddress[],
  count: number,
): Promise<FrameworkClient[]> {
  return FrameworkClient.connectAll(
    t,
    numbers(count).map((n) => ({ uid: `user-${n}`, connector: connectors[(n - 1) % connectors.length]! })),
  );
}

export function memberships(name: string, clients: readonly FrameworkClient[]) {
  return clients.map(({ uid, sid }) => ({ name, uid, sid }));
}
