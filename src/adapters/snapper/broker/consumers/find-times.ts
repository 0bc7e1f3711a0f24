import type { ChannelHistory } from "../../../../types.js";
import type { Queued } from "./queue.js";

/** How many messages are read at once. */
const PAGE = 200;

/**
 * Notes when messages were kept, as far as they still are. 1 round trip for each room, more where there are many.
 * @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`
 */
export async function findTimes(messages: readonly Queued[], history: ChannelHistory): Promise<void> {
  const byRoom = new Map<string, Queued[]>();
  for (const message of messages) {
    const [position] = message.positions;
    if (!position) continue;
    const own = byRoom.get(position.name);
    if (own) own.push(message);
    else byRoom.set(position.name, [message]);
  }
  await Promise.all(Array.from(byRoom, ([room, own]) => findTimesOf(room, own, history)));
}

async function findTimesOf(room: string, messages: readonly Queued[], history: ChannelHistory): Promise<void> {
  const { epoch, offset: first } = messages[0]!.positions[0]!;
  const byOffset = new Map<number, Queued>();
  for (const message of messages) {
    const position = message.positions[0]!;
    if (position.epoch === epoch) byOffset.set(position.offset, message);
  }
  const until = Math.max(...byOffset.keys());
  for (let after = first - 1; after < until;) {
    const { position, entries } = await history.read(room, { after, until, limit: PAGE, reverse: false });
    // Of another epoch, other messages may have these offsets.
    if (position?.epoch !== epoch || entries.length === 0) return;
    for (const { offset, at } of entries) {
      const message = byOffset.get(offset);
      if (message) message.at = at;
    }
    after = entries.at(-1)!.offset;
  }
}
