// The channels of signalling. A swarm is one, whose members are its peers, and has a second one with its initiator alone, so that
// everybody can ask whether it is there. Each address has two, whose members are what it has opened.

const SWARM_PATTERN = /^signal:(?<id>[0-9a-f]{32})(?<initiator>:initiator)?$/;

/** All peers of a swarm, its initiator among them. */
export function peersOf(id: string): string {
  return `signal:${id}`;
}

export function initiatorOf(id: string): string {
  return `signal:${id}:initiator`;
}

/** All peers that an address has opened. */
export function peersFrom(address: string): string {
  return `signal:peers-from:${address}`;
}

/** Those of them that are initiators. */
export function initiatorsFrom(address: string): string {
  return `signal:initiators-from:${address}`;
}

/** Of which swarm a channel is, and which of its two. */
export function readChannel(name: string): { id: string; isInitiators: boolean } | undefined {
  const { id, initiator } = SWARM_PATTERN.exec(name)?.groups ?? {};
  return id === undefined ? undefined : { id, isInitiators: initiator !== undefined };
}
