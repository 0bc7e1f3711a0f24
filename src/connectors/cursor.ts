import { MAX_READ_BYTES } from "../history-limits.js";
import type { ChannelPosition, ClientMessage, HistoryPosition } from "../types.js";

/** Where the session is in the history of one of its channels. */
export interface Cursor {
  /** Behind the last message that it got; undefined: it has got none, and it is not known yet where the history ends. */
  position: HistoryPosition | undefined;
  /** Nothing was got since: a message from before may still be on its way. */
  isFloor: boolean;
  isMember: boolean;
  /** What is missing is being read: live messages are held. */
  isReading: boolean;
  held: ClientMessage[];
  /** More is there than was held, or may be: it is read, too. */
  hasOverflowed: boolean;
}

/** How many live messages of a channel are held while what came before them is read, if they are small; beyond that they are read, too. */
const MAX_HELD = 256;

/** Where a message is in the history of one of its channels. */
export function positionIn({ positions = [] }: ClientMessage, channel: string): ChannelPosition {
  return positions.find(({ name }) => name === channel)!;
}

export function isReadyFor(cursor: Cursor, position: ChannelPosition): boolean {
  return !cursor.isReading && isNext(cursor, position);
}

export function isNext({ position }: Cursor, { epoch, offset }: ChannelPosition): boolean {
  return !position || (position.epoch === epoch && position.offset + 1 === offset);
}

/** Whether messages are missing before it, or may be. */
export function isAhead({ position }: Cursor, { epoch, offset }: ChannelPosition): boolean {
  return !position || position.epoch !== epoch || offset > position.offset + 1;
}

/** Whether it is from before where the session has begun: it may have been on its way then. */
export function isBeforeBegin(cursor: Cursor, position: ChannelPosition): boolean {
  return cursor.isFloor && !cursor.isReading && !isNext(cursor, position) && !isAhead(cursor, position);
}

export function advance(cursor: Cursor, { epoch, offset }: ChannelPosition): void {
  cursor.position = { epoch, offset };
  cursor.isFloor = false;
}

export function hold(cursor: Cursor, message: ClientMessage): void {
  const { held } = cursor;
  const length = held.reduce((sum, { body }) => sum + body.length, message.body.length);
  const hasRoom = held.length === 0 || (held.length < MAX_HELD && length <= MAX_READ_BYTES);
  if (hasRoom) held.push(message);
  else cursor.hasOverflowed = true;
}
