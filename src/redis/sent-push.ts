import { unreachable } from "../errors.js";
import type { Exchange } from "../transports/redis/exchange.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { versionOf } from "../transports/redis/wire.js";
import type { Appended, ChannelPush, FrontendRequest, PushedFrontend, ReplyListener, SentPush } from "../types.js";

/** The entry of a frontend without members. */
export const NONE = "-";

/** A frontend that a message was sent to. */
export interface Place {
  sid: string;
  /** How many have got the message: none, where nobody listens. */
  receivers: number | Promise<number>;
  /** Its entries in the sets of the channels, in the order of the names; {@link NONE}: there is none. */
  entries: readonly string[];
}

/** How many members the channels have there. */
export interface CountedPlace extends Place {
  counts: readonly number[];
}

/** Once for all the pushes of a message. */
export function withCounts(place: Place): CountedPlace {
  return { ...place, counts: place.entries.map(countIn) };
}

function countIn(entry: string): number {
  return entry === NONE ? 0 : Number(entry.slice(entry.lastIndexOf(".") + 1));
}

/**
 * A push that went with others to these frontends, some of which were sent the others alone.
 * @param channels which of the entries are of its channels, in the order of its names
 */
export function sentPush(
  all: readonly CountedPlace[],
  channels: readonly number[],
  push: ChannelPush,
  exchange: Exchange,
  transport: RedisTransport,
  appended?: Appended,
): SentPush {
  const isDone = appended?.repeated !== undefined;
  const places = isDone ? [] : all.filter(({ entries }) => channels.some((channel) => entries[channel] !== NONE));
  const isAnswered = push.ack && places.length > 0;
  if (!isAnswered) exchange.cancel();
  const tell = (listener: ReplyListener, sid: string, receivers: number): void => {
    if (push.ack) {
      if (receivers === 0) transport.unreached(exchange, sid);
    } else if (receivers > 0) listener.sent(sid);
    else listener.failed(sid, unreachable(sid));
  };
  const tellFailed = (listener: ReplyListener, sid: string, error: Error): void => {
    if (push.ack) exchange.fail(sid, error);
    else listener.failed(sid, error);
  };
  return {
    appended,
    parts: places.map(({ sid, counts }): PushedFrontend => ({ sid, count: sumOf(counts, channels) })),
    listen: (listener) => {
      if (isAnswered) {
        const asked = new Set(places.map(({ sid }) => sid));
        const kept = appended ? { ...push, positions: appended.positions } : push;
        exchange.expect(asked, listener, (sid) => requestTo(sid, places, channels, kept));
      }
      for (const { sid, receivers } of places) {
        if (typeof receivers === "number") tell(listener, sid, receivers);
        else
          receivers.then(
            (known) => tell(listener, sid, known),
            (error: Error) => tellFailed(listener, sid, error),
          );
      }
    },
  };
}

function sumOf(counts: readonly number[], channels: readonly number[]): number {
  return channels.reduce((sum, channel) => sum + counts[channel]!, 0);
}

/** What a push has sent to a frontend. */
function requestTo(
  at: string,
  places: readonly Place[],
  channels: readonly number[],
  { names, route, body, except, positions, id }: ChannelPush,
): FrontendRequest {
  const { entries } = places.find(({ sid }) => sid === at)!;
  const there = names
    .map((name, index) => ({ name, entry: entries[channels[index]!]! }))
    .filter(({ entry }) => entry !== NONE);
  const target = { channels: there.map(({ name, entry }) => ({ name, version: versionOf(entry) })) };
  return {
    type: "push",
    target,
    route,
    body,
    ...(except.length > 0 && { except }),
    positions: positionsOf(there, positions),
    ...(id !== undefined && { id, names }),
  };
}

/** Those of the channels that have members at a frontend. */
function positionsOf(
  there: readonly { name: string }[],
  positions: ChannelPush["positions"],
): ChannelPush["positions"] {
  return positions?.filter((position) => there.some(({ name }) => name === position.name));
}
