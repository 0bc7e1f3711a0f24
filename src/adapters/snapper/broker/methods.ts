import { setTimeout as sleep } from "node:timers/promises";
import { checkName, invalid } from "../../../arguments.js";
import { isTemporary } from "../../../errors.js";
import type { RpcMethod } from "../rpc/options.js";
import { messageKeysOf, RpcIds } from "../wire/rpc-ids.js";
import type { RoomMessage, Rooms } from "./rooms/rooms.js";

interface MethodsOptions {
  rooms: Rooms;
  /** So many messages have come. */
  published: (count: number) => void;
  report: (error: unknown) => void;
}

/** How long to wait before messages are sent again that the store could not take, in milliseconds. */
const RETRY_MS = 250;

/** What producers may call. */
export function brokerMethods({ rooms, published, report }: MethodsOptions): Record<string, RpcMethod<unknown>> {
  const ids = new RpcIds();
  return {
    /** `[[room, message], ...]`, or one of them alone. Answers how many were messages: of the others nobody gets anything. */
    async publish(params, { id }) {
      const given = Array.isArray(params[0]) ? (params as unknown[][]) : [[...params]];
      const isNotified = id === undefined;
      const keyOf = messageKeysOf(isNotified ? ids.next() : id);
      const messages = given.flatMap((item, index): RoomMessage[] => {
        if (!isRoomMessage(item, report)) return [];
        const [room, message] = item;
        return [{ room, message, key: keyOf?.(index) }];
      });
      published(messages.length);
      if (isNotified) await publishUntilDone(messages, { rooms, report });
      else await rooms.publish(messages);
      return messages.length;
    },
    /** `[room, consumerId]`. Answers 1, or 0 where the consumer was in the room. */
    async subscribe(params) {
      return (await rooms.join(nameIn(params, 0), nameIn(params, 1))) ? 1 : 0;
    },
    /** `[room, consumerId]`. Answers 1, or 0 where the consumer was not in the room. */
    async unsubscribe(params) {
      return (await rooms.leave(nameIn(params, 0), nameIn(params, 1))) ? 1 : 0;
    },
    /** `[userId]`. Answers how many of the user's consumers are connected: `{ length, web, ios, android }`. */
    consumers: (params) => rooms.count(nameIn(params, 0)),
    /** Answers its params. */
    echo: (params) => params,
  };
}

/** Who is not answered sends nothing again: what it sends next waits meanwhile. */
async function publishUntilDone(
  messages: readonly RoomMessage[],
  { rooms, report }: Pick<MethodsOptions, "rooms" | "report">,
): Promise<void> {
  for (;;) {
    try {
      await rooms.publish(messages);
      return;
    } catch (error) {
      if (!isTemporary(error)) throw error;
      report(error);
    }
    await sleep(RETRY_MS, undefined, { ref: false });
  }
}

function nameIn(params: readonly unknown[], index: number): string {
  return checkName(`params[${index}]`, params[index]);
}

/** One message that is none is not to keep those from their rooms that came with it. */
function isRoomMessage(item: unknown, report: (error: unknown) => void): item is [string, string] {
  try {
    // A text, too, could be taken apart.
    if (!Array.isArray(item)) throw invalid("params", item, "a list of [room, message]");
    const [room, message] = item as unknown[];
    checkName("room", room);
    if (typeof message !== "string" || message === "") throw invalid("message", message, "a non-empty string");
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}
