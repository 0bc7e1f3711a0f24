import { randomBytes } from "node:crypto";
import { checkInteger, checkList, checkName } from "../../../../arguments.js";
import { placeIn } from "../../../../read-rest.js";
import type { ChannelHistory, ChannelPosition } from "../../../../types.js";
import type { Queued } from "./queue.js";

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
  const bodies = messages.flatMap(({ body }) => body ?? []);
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"publish","params":[${bodies.join(",")}]}`;
}

/** What another broker needs to send it again: the messages are in the histories of their rooms. */
export function noteOf(batch: Batch | undefined): string {
  if (!batch) return "";
  const positions = batch.messages.map((message) => {
    const [{ name, epoch, offset } = NOWHERE] = message.positions;
    return [name, epoch, offset, message.body === undefined ? 0 : 1];
  });
  return JSON.stringify({ id: batch.id, positions });
}

const NOWHERE: ChannelPosition = { name: "-", epoch: "-", offset: 0 };

/**
 * The batch of such a note, without the messages that are not kept any more; undefined: there is none.
 * @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`
 */
export async function readBatch(note: string, history: ChannelHistory): Promise<Batch | undefined> {
  if (note === "") return undefined;
  const { id, positions } = JSON.parse(note) as { id: unknown; positions: unknown };
  const places = checkList("positions", positions, checkPlace);
  const messages = await Promise.all(places.map((place) => readMessage(place, history)));
  return { id: checkName("id", id), messages };
}

type Place = ChannelPosition & { hasBody: boolean };

function checkPlace(argument: string, place: unknown): Place {
  const [name, epoch, offset, hasBody] = place as unknown[];
  return {
    name: checkName(argument, name),
    epoch: checkName(argument, epoch),
    offset: checkInteger(argument, offset, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    hasBody: hasBody === 1,
  };
}

async function readMessage({ hasBody, ...position }: Place, history: ChannelHistory): Promise<Queued> {
  const { name, epoch, offset } = position;
  if (!hasBody) return { body: undefined, positions: [position] };
  const page = await history.read(name, { after: offset - 1, until: offset, limit: 1, reverse: false });
  // Of another epoch, other messages may have these offsets.
  const isKept = placeIn(page, { epoch, offset }) === offset;
  return { body: isKept ? page.entries[0]?.body : undefined, positions: [position] };
}
