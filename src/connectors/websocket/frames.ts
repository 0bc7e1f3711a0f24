import type { Duplex } from "node:stream";
import type { ClientMessage } from "../../types.js";
import { encodeHad } from "../had-elsewhere.js";
import type { ClientPosition } from "../session-history.js";

/** FIN and opcode 1: a whole text message in one frame. */
const TEXT = 0x81;

/** The message as the bytes that go to every receiver. */
export function messageFrame({ route, body }: ClientMessage): Buffer {
  return textFrame(`{"route":${JSON.stringify(route)},"msg":${body}}`);
}

/** The same for those who keep in mind where they are: with the position behind it in each of its channels, and in other ones. */
export function keptMessageFrame(
  { route, body, positions = [] }: ClientMessage,
  elsewhere: readonly ClientPosition[] = [],
): Buffer {
  const all = positionsJson([...positions, ...elsewhere]);
  return textFrame(`{"route":${JSON.stringify(route)},"msg":${body},"positions":${all}}`);
}

/** Where a client is in a channel, and whether messages before that are missing. */
export function positionFrame(position: ClientPosition, hasGap: boolean): Buffer {
  const gap = hasGap ? `,"gap":[${JSON.stringify(position.name)}]` : "";
  return textFrame(`{"positions":${positionsJson([position])}${gap}}`);
}

function positionsJson(positions: readonly ClientPosition[]): string {
  // Not of an object: a channel may be called `__proto__`.
  const fields = positions.map(({ name, epoch, offset, had }) => {
    const position = had?.length ? [epoch, offset, encodeHad(had)] : [epoch, offset];
    return `${JSON.stringify(name)}:${JSON.stringify(position)}`;
  });
  return `{${fields.join(",")}}`;
}

/**
 * A server's frames are not masked, so that they are the same for all receivers. One buffer, header included, so that a receiver costs
 * one write.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */
function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = TEXT;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header);
  return frame;
}

/**
 * Writes frames so that all those of one tick to one socket leave in one system call, which is most of what a small message
 * costs. The frames stay in order, also with what others write to the socket.
 */
export class TickWriter {
  #corked: Duplex[] = [];

  write(socket: Duplex, frame: Buffer): void {
    if (socket.writableCorked === 0) {
      socket.cork();
      if (this.#corked.push(socket) === 1) setImmediate(this.#uncorkAll);
    }
    socket.write(frame);
  }

  /** Sends what this tick has written so far, and returns how many bytes the socket could not send yet. */
  flush(socket: Duplex): number {
    socket.uncork();
    return socket.writableLength;
  }

  readonly #uncorkAll = (): void => {
    const corked = this.#corked;
    this.#corked = [];
    for (const socket of corked) socket.uncork();
  };
}
