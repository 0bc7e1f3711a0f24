import { decodeExtras, encodePushText } from "../../redis/push-text.js";
import type {
  ChannelPosition,
  ChannelPush,
  FrontendReply,
  FrontendRequest,
  HistoryPosition,
  Version,
} from "../../types.js";

/*
 * Requests are text of lines:
 * 1. the entries of channels in their sets (`<version>.<count>`, or `-`: none there), with spaces between; empty for a request
 *    that names no channels or brings their versions itself
 * 2. the id of the reply channel of who asks
 * 3. for each request two lines: its header, and the body of a push, as it goes to the clients
 *
 * A header is `<id> <channels> <request>`. The id is unique at who asks, and below zero where no answer is wanted. The channels
 * of a fused push are indices into the entries, with commas between, each followed by `@<epoch>.<offset>` where it keeps the push, and its
 * request is a line of redis/push-text.ts. Of any other request there is one
 * in a message: the channels are `-`, the request is JSON, and the body is all the rest.
 *
 * A message whose first line is a sign is about requests that were made before, of the caller in the second line: `?` asks what
 * has become of those with the ids in the third line; `+` brings one of them once more; `.` says that there are no more of them.
 * One that begins with `&` is several messages.
 */

/** The id of a request that is to get no answer. */
export function withoutAnswer(id: number): number {
  return -id;
}

export function wantsAnswer(id: number): boolean {
  return id > 0;
}

/** The signs; no version begins with one of them. */
export const ASK = "?";
export const AGAIN = "+";
export const DONE = ".";
const BUNDLE = "&";
const SIGNS = [ASK, AGAIN, DONE, BUNDLE] as const;

/** The sign of a message; undefined: it has new requests. */
export function signOf(text: string): (typeof SIGNS)[number] | undefined {
  const sign = text.charAt(0);
  return SIGNS.find((one) => one === sign);
}

/** What became of a request. */
export type Outcome = { answer: FrontendReply } | { error: string; temporary?: true };

/** How many ids a line of replies may be for. */
const MAX_IDS = 10_000;

/**
 * The replies of one frontend to one caller, as one message: its sid in the first line, then lines `<ids> <outcome>`. The ids
 * are one or, of those that follow each other with the same outcome, `<first>-<last>`. The outcome is a number, which is how
 * many users have got a push that nobody has missed, or JSON. A line `!` says that requests may have been missed, `?<ids>` which
 * ones were: the caller is to ask, or to send them once more.
 */
export class ReplyWriter {
  #text: string;
  #first = NaN;
  #last = NaN;
  #outcome: number | string = "";

  constructor(sid: string) {
    this.#text = JSON.stringify(sid);
  }

  add(id: number, outcome: Outcome): void {
    const text = deliveredToAll(outcome) ?? JSON.stringify(outcome);
    if (id !== this.#last + 1 || text !== this.#outcome || id - this.#first >= MAX_IDS) {
      this.#endLine();
      this.#first = id;
      this.#outcome = text;
    }
    this.#last = id;
  }

  /** Says that requests may have been missed, or which ones were. */
  addMissed(ids?: readonly number[]): void {
    this.#endLine();
    this.#first = this.#last = NaN;
    this.#text += ids ? `\n${ASK}${ids.join(",")}` : `\n${MISSED}`;
  }

  /** All that was added; nothing more may be. */
  end(): string {
    this.#endLine();
    return this.#text;
  }

  #endLine(): void {
    if (Number.isNaN(this.#first)) return;
    const ids = this.#first === this.#last ? String(this.#first) : `${this.#first}-${this.#last}`;
    this.#text += `\n${ids} ${this.#outcome}`;
  }
}

/** To how many users it was delivered, where all have got it. */
export function deliveredToAll(outcome: Outcome): number | undefined {
  if (!("answer" in outcome) || !("delivered" in outcome.answer)) return undefined;
  const { delivered, failed, unknown } = outcome.answer;
  return failed.length === 0 && !unknown?.length ? delivered : undefined;
}

const MISSED = "!";

export const NOBODY: readonly string[] = Object.freeze([]);

/** What a caller learns from replies. */
export interface ReplyReader {
  /** The frontend has said something. */
  heardFrom(sid: string): void;
  settle(id: number, sid: string, outcome: Outcome): void;
  /** The frontend may have missed requests. */
  mayHaveMissed(sid: string): void;
  /** It has missed these. */
  missed(sid: string, ids: readonly number[]): void;
}

/** Tells what the replies say. @throws where the text is none */
export function decodeReplies(text: string, reader: ReplyReader): void {
  const [sid, ...lines] = text.split("\n");
  const from = JSON.parse(sid!) as string;
  reader.heardFrom(from);
  for (const line of lines) {
    if (line === MISSED) {
      reader.mayHaveMissed(from);
      continue;
    }
    if (line.startsWith(ASK)) {
      reader.missed(from, parseIds(line.slice(1)));
      continue;
    }
    const space = find(" ", line, 0);
    const [first, last = first] = line.slice(0, space).split("-");
    const outcome = JSON.parse(line.slice(space + 1)) as number | Outcome;
    const given = typeof outcome === "number" ? { answer: { delivered: outcome, failed: NOBODY } } : outcome;
    const [firstId, lastId] = [Number(first), Number(last)];
    // Beyond safe integers, one more is the same.
    if (!Number.isSafeInteger(firstId) || !Number.isSafeInteger(lastId) || lastId - firstId >= MAX_IDS)
      throw new SyntaxError(`these are no replies: ${line.slice(0, 50)}`);
    for (let id = firstId; id <= lastId; id++) reader.settle(id, from, given);
  }
}

/** @param sign {@link AGAIN} if it was sent before */
export function encodeRequest(
  from: string,
  id: number,
  request: FrontendRequest,
  sign: "" | typeof AGAIN = "",
): string {
  const { body = "", ...rest } = request as FrontendRequest & { body?: string };
  return `${sign}\n${from}\n${id} - ${JSON.stringify(rest)}\n${body}`;
}

export function encodeAsk(from: string, ids: readonly number[]): string {
  return `${ASK}\n${from}\n${ids.join(",")}`;
}

export function encodeDone(from: string): string {
  return `${DONE}\n${from}`;
}

/** The version in a set's entry. */
export function versionOf(entry: string): Version {
  return entry.slice(0, entry.lastIndexOf("."));
}

/** Who sent a message about earlier requests, and the ids in it if it asks for some. @throws where the text is none */
export function decodeAsk(text: string): { from: string; ids: number[] } {
  const [, from, ids = ""] = text.split("\n");
  if (!from) throw new SyntaxError(NO_REQUESTS);
  return { from, ids: parseIds(ids) };
}

function parseIds(text: string): number[] {
  const ids = text === "" ? [] : text.split(",").map(Number);
  if (!ids.every((id) => Number.isSafeInteger(id) && id > 0)) throw new SyntaxError(NO_REQUESTS);
  return ids;
}

/** The two lines of a fused push; its body has no line feed, as JSON.stringify gives it. */
export function encodeFusedPush(
  id: number,
  channels: readonly number[],
  push: Pick<ChannelPush, "route" | "body" | "names" | "except" | "positions" | "id">,
): string {
  const { names, positions } = push;
  const indices = positions?.length
    ? channels.map((channel, n) => channel + positionMark(positions, names[n]!))
    : channels;
  return `${id} ${indices.join(",")} ${encodePushText(push)}\n${push.body}`;
}

function positionMark(positions: readonly ChannelPosition[], channel: string): string {
  const position = positions.find(({ name }) => name === channel);
  return position ? `@${position.epoch}.${position.offset}` : "";
}

/** A message with fused pushes. */
export function encodeFusedPushes(entries: readonly string[], from: string, texts: readonly string[]): string {
  return `${entries.join(" ")}\n${from}\n${texts.join("\n")}`;
}

/** Several messages as one; the texts follow each other, their lengths are in the first line. */
export function encodeBundle(texts: readonly string[]): string {
  return `${BUNDLE}${texts.map(({ length }) => length).join(" ")}\n${texts.join("")}`;
}

/** The messages in one that has several. @throws where the text is none */
export function decodeBundle(text: string): string[] {
  let start = find("\n", text, 0) + 1;
  const texts = text
    .slice(1, start - 1)
    .split(" ")
    .map((length) => {
      const end = start + Number(length);
      if (!/^\d+$/.test(length) || end > text.length) throw new SyntaxError(NO_REQUESTS);
      const part = text.slice(start, end);
      start = end;
      return part;
    });
  if (start !== text.length || texts.some((part) => part.startsWith(BUNDLE))) throw new SyntaxError(NO_REQUESTS);
  return texts;
}

/** Calls `handle` with each request. @throws where the text is none */
export function decodeRequests(
  text: string,
  handle: (from: string, id: number, request: FrontendRequest) => void,
): void {
  const lines = text.split("\n");
  const [entriesLine, from] = lines;
  if (lines.length < 4) throw new SyntaxError(NO_REQUESTS);
  const entries = entriesLine!.split(" ");
  // Pushes of one moment are mostly of the same route to the same channels: what the last header said is not read again.
  let last: { header: string; push: FusedPushHeader } | undefined;
  for (let n = 2; n < lines.length; n += 2) {
    const line = lines[n]!;
    const body = lines[n + 1];
    if (body === undefined) throw new SyntaxError(NO_REQUESTS);
    const idEnd = find(" ", line, 0);
    const id = Number(line.slice(0, idEnd));
    const header = line.slice(idEnd + 1);
    if (header.startsWith("-")) {
      handle(from!, id, parseRequest(header.slice(2), lines.slice(n + 1).join("\n")));
      return;
    }
    if (last?.header !== header) last = { header, push: parseFusedPushHeader(header, entries) };
    handle(from!, id, { type: "push", ...last.push, body });
  }
}

const NO_REQUESTS = "this is not a message with requests";

function find(character: string, text: string, from: number): number {
  const index = text.indexOf(character, from);
  if (index < 0) throw new SyntaxError(NO_REQUESTS);
  return index;
}

function parseRequest(header: string, body: string): FrontendRequest {
  const request = JSON.parse(header) as FrontendRequest;
  return request.type === "push" ? { ...request, body } : request;
}

type FusedPushHeader = Omit<Extract<FrontendRequest, { type: "push" }>, "type" | "body">;

/** Field by field, with its channels and their names side by side: splitting it would cost more than all the rest. */
function parseFusedPushHeader(header: string, entries: readonly string[]): FusedPushHeader {
  const indicesEnd = find(" ", header, 0);
  const routeEnd = find("\t", header, indicesEnd);
  const channels: { name: string; version: Version }[] = [];
  const others: string[] = [];
  let positions: ChannelPosition[] | undefined;
  let name = routeEnd + 1;
  let index = 0;
  do {
    if (name >= header.length) throw new SyntaxError(NO_REQUESTS);
    const indexEnd = Math.min(endOfField(",", header, index), indicesEnd);
    const nameEnd = endOfField("\t", header, name);
    const mark = header.slice(index, indexEnd);
    const at = mark.indexOf("@");
    const entry = entries[Number(at < 0 ? mark : mark.slice(0, at))]!;
    if (entry !== "-") {
      const channel = { name: parseString(header.slice(name, nameEnd)), version: versionOf(entry) };
      channels.push(channel);
      if (at >= 0) (positions ??= []).push({ name: channel.name, ...parsePosition(mark.slice(at + 1)) });
    } else others.push(header.slice(name, nameEnd));
    index = indexEnd + 1;
    name = nameEnd + 1;
  } while (index < indicesEnd);
  const extras: Pick<FusedPushHeader, "except" | "id"> =
    name < header.length ? decodeExtras(header.slice(name).split("\t")) : { except: undefined };
  const names =
    extras.id === undefined ? undefined : [...channels.map((channel) => channel.name), ...others.map(parseString)];
  return {
    target: { channels },
    route: parseString(header.slice(indicesEnd + 1, routeEnd)),
    ...extras,
    ...(positions && { positions }),
    ...(names && { names }),
  };
}

function parsePosition(text: string): HistoryPosition {
  const dot = find(".", text, 0);
  return { epoch: text.slice(0, dot), offset: Number(text.slice(dot + 1)) };
}

function endOfField(separator: string, text: string, from: number): number {
  const index = text.indexOf(separator, from);
  return index < 0 ? text.length : index;
}

/** JSON.parse for a string, which seldom has anything escaped. */
function parseString(json: string): string {
  return json.includes("\\") ? (JSON.parse(json) as string) : json.slice(1, -1);
}
