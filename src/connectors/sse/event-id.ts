import { decodeHad, encodeHad } from "../had-elsewhere.js";
import type { ClientPosition, GivenPositions } from "../session-history.js";
import type { AnyRequest } from "./http-types.js";

/*
 * The id of an event says where its client is once it has that: `<history>.<number>` in what is kept of its session, where that is; and
 * after a semicolon where it is in the histories of its channels, `<name>=<epoch>.<offset>` of each, percent-encoded, with `&` between; after a
 * colon may follow the ids of messages that it has out of other channels, with dots between.
 */

const ID_PATTERN = /^(?:(?<history>[\w-]{22})\.(?<number>\d{1,15}))?(?:;(?<channels>.*))?$/;

const FIELD_PATTERN = /^(?<name>[^=]+)=(?<epoch>[^=:]+)\.(?<offset>\d{1,15})(?::(?<had>[\w.-]+))?$/;

/** How long the part with the channels may be: proxies take 8 KiB for each header, servers 16 KiB in all. */
const MAX_CHANNELS_LENGTH = 8000;
/** In the place of those for which there is no room, or that are not known. */
export const MORE = "*";

/** Where a client has stopped reading. */
export interface ReadPosition {
  history: string;
  number: number;
}

/** Whether it is a client that comes back, whatever from. */
export function hasPosition({ headers }: AnyRequest): boolean {
  return Boolean(headers["last-event-id"]);
}

/** What a client says in `Last-Event-ID` of what is kept of its session, where that can be an id of ours. */
export function readPosition(request: AnyRequest): ReadPosition | undefined {
  const { history, number } = partsOf(request);
  return history === undefined ? undefined : { history, number: Number(number) };
}

/** And of its channels. What is none counts as one that is not known, as every client can send what it likes. */
export function readChannels(request: AnyRequest): GivenPositions {
  const { channels = "" } = partsOf(request);
  const positions = new Map<string, Omit<ClientPosition, "name">>();
  if (channels === "") return { positions };
  if (channels.length > MAX_CHANNELS_LENGTH + MORE.length + 1) return { positions, isIncomplete: true };
  let isIncomplete = false;
  for (const field of channels.split("&")) {
    const given = readChannel(field);
    if (given) positions.set(given.name, { epoch: given.epoch, offset: given.offset, had: given.had });
    else isIncomplete = true;
  }
  return { positions, isIncomplete };
}

function readChannel(field: string): ClientPosition | undefined {
  const { name = "", epoch = "", offset, had } = FIELD_PATTERN.exec(field)?.groups ?? {};
  try {
    if (offset === undefined) return undefined;
    return {
      name: decodeURIComponent(name),
      epoch: decodeURIComponent(epoch),
      offset: Number(offset),
      had: had === undefined ? undefined : decodeHad(had),
    };
  } catch {
    return undefined;
  }
}

/** The part of an id with the channels; empty for none. */
export function encodeChannels(positions: Iterable<ClientPosition>): string {
  let text = "";
  for (const { name, epoch, offset, had } of positions) {
    const place = `${encodeURIComponent(name)}=${encodeURIComponent(epoch)}.${offset}`;
    const field = had?.length ? `${place}:${encodeHad(had)}` : place;
    if (text.length + field.length >= MAX_CHANNELS_LENGTH) return text === "" ? MORE : `${text}&${MORE}`;
    text += text === "" ? field : `&${field}`;
  }
  return text;
}

/** @param ofSession where the client is in what is kept of its session */
export function encodeEventId(ofSession: string | undefined, channels: string): string {
  return channels === "" ? (ofSession ?? "") : `${ofSession ?? ""};${channels}`;
}

function partsOf({ headers }: AnyRequest): { history?: string; number?: string; channels?: string } {
  return ID_PATTERN.exec(String(headers["last-event-id"]))?.groups ?? {};
}
