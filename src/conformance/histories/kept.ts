import assert from "node:assert/strict";
import type {
  Appended,
  ChannelHistory,
  ChannelPosition,
  HistoryEntry,
  HistoryLimits,
  HistoryPosition,
  KeptEntry,
} from "../../types.js";

/**
 * How much the histories under test keep where a push does not say: this of the channels whose names begin with `kept:`, and nothing
 * of the others. As an option of the histories of this package it says just that.
 */
export const KEPT_CHANNELS: Readonly<Record<string, HistoryLimits>> = { "kept:*": { size: 20, ttlMs: 3_600_000 } };

/** More than a case pushes, and for longer than it takes, also where it lets time pass. */
export const PLENTY: HistoryLimits = { size: 10_000, ttlMs: 3_600_000 };

/** What is pushed with this body. */
export function message(body: string, names: readonly string[] = ["room"]): HistoryEntry {
  return { stype: "connector", route: "chat", body, except: [], names };
}

interface KeepOptions {
  /** The same for all of the channels. @default {@link PLENTY} */
  limits?: HistoryLimits | undefined;
  idempotencyKey?: string;
}

/** Appends a message with this body to channels. */
export async function keep(
  history: ChannelHistory,
  body: string,
  names: readonly string[] = ["room"],
  options: KeepOptions = {},
): Promise<Appended> {
  const { limits = PLENTY, idempotencyKey } = options;
  return history.append({ entry: message(body, names), limits: names.map(() => limits), idempotencyKey });
}

/** The same, to one channel: where the message is. */
export async function keepIn(
  history: ChannelHistory,
  body: string,
  name = "room",
  limits: HistoryLimits = PLENTY,
): Promise<ChannelPosition> {
  const { positions, repeated } = await keep(history, body, [name], { limits });
  assert.deepEqual([positions.map((position) => position.name), repeated], [[name], undefined]);
  return positions[0]!;
}

/** All of these, one after the other. */
export async function keepAll(
  history: ChannelHistory,
  bodies: readonly string[],
  name = "room",
  limits: HistoryLimits = PLENTY,
): Promise<ChannelPosition[]> {
  const positions: ChannelPosition[] = [];
  for (const body of bodies) positions.push(await keepIn(history, body, name, limits));
  return positions;
}

/** All that is kept of a channel, and where that ends. */
export async function readAll(
  history: ChannelHistory,
  name = "room",
): Promise<{ position: HistoryPosition | undefined; entries: KeptEntry[] }> {
  const entries: KeptEntry[] = [];
  for (;;) {
    const after = entries.at(-1)?.offset ?? 0;
    const page = await history.read(name, { after, limit: 1_000, reverse: false });
    const [first] = page.entries;
    // Otherwise it might never come to an end.
    assert.ok(!first || first.offset > after, `${first?.offset} was read after ${after}`);
    entries.push(...page.entries);
    const last = entries.at(-1);
    if (!first || last!.offset >= page.position!.offset) return { position: page.position, entries };
  }
}

/** The bodies of all that is kept of a channel. */
export async function bodiesOf(history: ChannelHistory, name = "room"): Promise<string[]> {
  return (await readAll(history, name)).entries.map(({ body }) => body);
}

/** These are of one epoch, and follow each other. */
export function assertContiguous(positions: readonly HistoryPosition[]): void {
  const [first] = positions;
  assert.ok(first, "there are no positions");
  assert.deepEqual(
    positions.map(({ epoch, offset }) => ({ epoch, offset })),
    positions.map((_position, index) => ({ epoch: first.epoch, offset: first.offset + index })),
  );
  assert.ok(Number.isSafeInteger(first.offset) && first.offset >= 0, `${first.offset} is no offset`);
}

/** The entries of a channel are those that end its epoch, one after the other. */
export function assertEndsWith(position: HistoryPosition | undefined, entries: readonly KeptEntry[]): void {
  assert.deepEqual(
    entries.map(({ offset }) => offset),
    entries.map((_entry, index) => position!.offset - entries.length + 1 + index),
  );
}

/** A position without the name of its channel. */
export function placeOf({ epoch, offset }: HistoryPosition): HistoryPosition {
  return { epoch, offset };
}
