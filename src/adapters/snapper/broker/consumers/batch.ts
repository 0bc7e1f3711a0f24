import { randomBytes } from "node:crypto";
import { checkInteger, checkList, checkName } from "../../../../arguments.js";
import { placeIn } from "../../../../read-rest.js";
import type { ChannelHistory, ChannelPosition } from "../../../../types.js";
import type { Queued } from "./queue.js";

/** The longest batch that an option allows. */
export const MAX_BATCH = 10_000;

/** Messages that are sent together, until the consumer has acknowledged them. */
export interface Batch {
  /** Of its request: a consumer that gets it again under the same id takes it for a repeat. */
  id: string;
  messages: readonly Queued[];
}

/** Makes a batch with an id that no other has. */
export function makeBatch(messages: readonly Queued[]): Batch {
  return { id: randomBytes(12).toString("base64url"), messages };
}

/** The request for it. */
export function encodeBatch({ id, messages }: Batch): string {
  const bodies: string[] = [];
  // `flatMap` takes more than twice as long.
  for (const { body } of messages) if (body !== undefined) bodies.push(body);
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"publish","params":[${bodies.join(",")}]}`;
}

/** What another broker needs to send it again: the messages are in the histories of their rooms. */
export function noteOf(batch: Batch | undefined): string {
  if (!batch) return "";
  const runs: Run[] = [];
  for (const { positions, body } of batch.messages) {
    const [{ name, epoch, offset } = NOWHERE] = positions;
    const hasBody = body === undefined ? 0 : 1;
    const last = runs.at(-1);
    // Mostly they follow each other in one room.
    if (last?.[0] === name && last[1] === epoch && last[2] + last[4] === offset && last[3] === hasBody) last[4]++;
    else runs.push([name, epoch, offset, hasBody, 1]);
  }
  return JSON.stringify({ id: batch.id, runs });
}

/** Messages of a room that follow each other: where the first one is, whether they have bodies, and how many they are. */
type Run = [name: string, epoch: string, offset: number, hasBody: 0 | 1, count: number];

const NOWHERE: ChannelPosition = { name: "-", epoch: "-", offset: 0 };

/**
 * The batch of such a note, without the messages that are not kept any more; undefined: there is none.
 * @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`
 */
export async function readBatch(note: string, history: ChannelHistory): Promise<Batch | undefined> {
  if (note === "") return undefined;
  const { id, runs } = JSON.parse(note) as { id: unknown; runs: unknown };
  const places = checkList("runs", runs, checkRun);
  const messages = await Promise.all(places.flat().map((place) => readMessage(place, history)));
  return { id: checkName("id", id), messages };
}

type Place = ChannelPosition & { hasBody: boolean };

function checkRun(argument: string, run: unknown): Place[] {
  const [name, epoch, offset, hasBody, count] = run as unknown[];
  const first = {
    name: checkName(argument, name),
    epoch: checkName(argument, epoch),
    offset: checkInteger(argument, offset, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    hasBody: hasBody === 1,
  };
  const length = checkInteger(argument, count, { min: 1, max: MAX_BATCH });
  return Array.from({ length }, (_, index) => ({ ...first, offset: first.offset + index }));
}

async function readMessage({ hasBody, ...position }: Place, history: ChannelHistory): Promise<Queued> {
  const { name, epoch, offset } = position;
  if (!hasBody) return { body: undefined, positions: [position] };
  const page = await history.read(name, { after: offset - 1, until: offset, limit: 1, reverse: false });
  // Of another epoch, other messages may have these offsets.
  const isKept = placeIn(page, { epoch, offset }) === offset;
  return { body: isKept ? page.entries[0]?.body : undefined, positions: [position] };
}
