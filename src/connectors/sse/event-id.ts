import type { ChannelPosition, HistoryPosition } from "../../types.js";
import type { GivenPositions } from "../session-history.js";
import type { AnyRequest } from "./http-types.js";

/*
 * The id of an event says where its client is once it has that: `<history>.<number>` in what is kept of its session, where that is; and
 * after a semicolon where it is in the histories of its channels, `<name>=<epoch>.<offset>` of each, percent-encoded, with `&` between.
 */

const ID_PATTERN = /^(?:(?<history>[\w-]{22})\.(?<number>\d{1,15}))?(?:;(?<channels>.*))?$/;

/** How long the part with the channels may be: servers take headers of 16 KiB in all. */
const MAX_CHANNELS_LENGTH = 8192;
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

/** And of its channels. What is none is passed over, as every client can send what it likes. */
export function readChannels(request: AnyRequest): GivenPositions {
  const { channels } = partsOf(request);
  const positions = new Map<string, HistoryPosition>();
  const fields = channels && channels.length <= MAX_CHANNELS_LENGTH + MORE.length + 1 ? channels.split("&") : [];
  for (const field of fields) {
    const { name, epoch, offset } =
      /^(?<name>[^=]+)=(?<epoch>[\w-]{1,64})\.(?<offset>\d{1,15})$/.exec(field)?.groups ?? {};
    const decoded = name === undefined ? undefined : decode(name);
    if (decoded !== undefined) positions.set(decoded, { epoch: epoch!, offset: Number(offset) });
  }
  return { positions, isIncomplete: fields.at(-1) === MORE };
}

/** The part of an id with the channels; empty for none. */
export function encodeChannels(positions: Iterable<ChannelPosition>): string {
  let text = "";
  for (const { name, epoch, offset } of positions) {
    const field = `${encodeURIComponent(name)}=${epoch}.${offset}`;
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

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
