import { encode, encodeComment } from "eventsource-encoder";
import { checkName, invalid } from "../../arguments.js";
import type { ClientMessage } from "../../types.js";

/** A comment, which clients pass over. */
export const COMMENT = Buffer.from(encodeComment(""));

/**
 * The message as one event, the same bytes for all its receivers.
 * @throws `GC_INVALID_ARGUMENT` the route has more than one line
 */
export function encodeEvent({ route, body }: ClientMessage): Buffer {
  return Buffer.from(encode({ event: checkEventName("route", route), data: body }));
}

/** @throws `GC_INVALID_ARGUMENT` unless it is the name of an event: one line */
function checkEventName(argument: string, value: unknown): string {
  const name = checkName(argument, value);
  if (/[\r\n]/.test(name)) throw invalid(argument, value, "one line: an event's name has no other");
  return name;
}

/**
 * The event with an id, which has one line. Not by the encoder, as it is another one for each receiver; and as the last field, since
 * there are clients that take the name and the data from the first two lines.
 */
export function withId(event: Buffer, id: string): Buffer {
  const withoutEnd = event.subarray(0, -1);
  return Buffer.concat([withoutEnd, Buffer.from(`id: ${id}\n\n`)]);
}

/**
 * What a stream begins with: how long the client is to wait before it connects again, and what is its `Last-Event-ID` until the first
 * event. Not by the encoder, which puts one more empty line after it: there are clients that miss the event that follows then.
 */
export function encodeStart({ retryMs, id }: { retryMs: number; id?: string | undefined }): Buffer {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return Buffer.from(`retry: ${retryMs}\n${idLine}\n`);
}

/** Sets what is the client's `Last-Event-ID` from now on, and tells it nothing else. */
export function encodeId(id: string): Buffer {
  return Buffer.from(`id: ${id}\n\n`);
}
