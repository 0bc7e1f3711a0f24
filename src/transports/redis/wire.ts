import type { ChannelPush, FrontendReply, FrontendRequest, Version } from "../../types.js";

/*
 * Requests are text of lines:
 * 1. the entries of channels in their sets (`<version>.<count>`, or `-`: none there), with spaces between; empty for a request
 *    that names no channels or brings their versions itself
 * 2. the id of the reply channel of who asks
 * 3. for each request two lines: its header, and the body of a push, as it goes to the clients
 *
 * A header is `<id> <channels> <request>`. The id is unique at who asks, and below zero where no answer is wanted. The channels of a fused push are indices into the
 * entries, with commas between, and its request is the route and the names of the channels as JSON strings, then, if anybody
 * is left out, the list of them as JSON, with tabs between. Of any other request there is one in a message: the channels are
 * `-`, the request is JSON, and the body is all the rest.
 */

/** The id of a request that is to get no answer. */
export function withoutAnswer(id: number): number {
  return -id;
}

export function wantsAnswer(id: number): boolean {
  return id > 0;
}

/** What became of a request. */
export type Outcome = { answer: FrontendReply } | { error: string };

/** The replies of one frontend to one caller: its sid in the first line, then one line `<id> <outcome>` for each. */
export function encodeReplies(sid: string, lines: readonly string[]): string {
  return `${JSON.stringify(sid)}\n${lines.join("\n")}`;
}

/** The outcome is a number, which is how many users have got a push that nobody has missed, or JSON. */
export function encodeReply(id: number, outcome: Outcome): string {
  if ("answer" in outcome && "delivered" in outcome.answer && outcome.answer.failed.length === 0) {
    return `${id} ${outcome.answer.delivered}`;
  }
  return `${id} ${JSON.stringify(outcome)}`;
}

const NOBODY: readonly string[] = Object.freeze([]);

/** Calls `settle` with each reply. @throws where the text is none */
export function decodeReplies(text: string, settle: (id: number, sid: string, outcome: Outcome) => void): void {
  let end = text.indexOf("\n");
  const sid = JSON.parse(text.slice(0, end)) as string;
  while (end < text.length) {
    const start = end + 1;
    end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const space = text.indexOf(" ", start);
    const id = Number(text.slice(start, space));
    const outcome = JSON.parse(text.slice(space + 1, end)) as number | Outcome;
    settle(id, sid, typeof outcome === "number" ? { answer: { delivered: outcome, failed: NOBODY } } : outcome);
  }
}

export function encodeRequest(from: string, id: number, request: FrontendRequest): string {
  const { body = "", ...rest } = request as FrontendRequest & { body?: string };
  return `\n${from}\n${id} - ${JSON.stringify(rest)}\n${body}`;
}

/** The two lines of a fused push; its body has no line feed, as JSON.stringify gives it. */
export function encodeFusedPush(
  id: number,
  channels: readonly number[],
  { route, body, names, except }: Pick<ChannelPush, "route" | "body" | "names" | "except">,
): string {
  const request = [JSON.stringify(route)];
  for (const name of names) request.push(JSON.stringify(name));
  if (except.length > 0) request.push(JSON.stringify(except));
  return `${id} ${channels.join(",")} ${request.join("\t")}\n${body}`;
}

/** Calls `handle` with each request. @throws where the text is none */
export function decodeRequests(
  text: string,
  handle: (from: string, id: number, request: FrontendRequest) => void,
): void {
  const entriesEnd = find("\n", text, 0);
  const fromEnd = find("\n", text, entriesEnd + 1);
  const entries = text.slice(0, entriesEnd).split(" ");
  const from = text.slice(entriesEnd + 1, fromEnd);
  for (let start = fromEnd + 1; start < text.length;) {
    const idEnd = find(" ", text, start);
    const channelsEnd = find(" ", text, idEnd + 1);
    const headerEnd = find("\n", text, channelsEnd + 1);
    const id = Number(text.slice(start, idEnd));
    const channels = text.slice(idEnd + 1, channelsEnd);
    const header = text.slice(channelsEnd + 1, headerEnd);
    if (channels === "-") {
      handle(from, id, withBody(JSON.parse(header) as FrontendRequest, text.slice(headerEnd + 1)));
      return;
    }
    const bodyEnd = text.indexOf("\n", headerEnd + 1);
    const end = bodyEnd < 0 ? text.length : bodyEnd;
    handle(from, id, parseFusedPush(channels.split(","), header.split("\t"), entries, text.slice(headerEnd + 1, end)));
    start = end + 1;
  }
}

function find(character: string, text: string, from: number): number {
  const index = text.indexOf(character, from);
  if (index < 0) throw new SyntaxError("this is not a message with requests");
  return index;
}

function withBody(request: FrontendRequest, body: string): FrontendRequest {
  return request.type === "push" ? { ...request, body } : request;
}

function parseFusedPush(
  indices: readonly string[],
  [route, ...rest]: readonly string[],
  entries: readonly string[],
  body: string,
): FrontendRequest {
  const channels: { name: string; version: Version }[] = [];
  indices.forEach((index, n) => {
    const entry = entries[Number(index)]!;
    if (entry !== "-") channels.push({ name: parseString(rest[n]!), version: entry.slice(0, entry.lastIndexOf(".")) });
  });
  const except = rest[indices.length];
  return {
    type: "push",
    target: { channels },
    route: parseString(route!),
    body,
    ...(except !== undefined && { except: JSON.parse(except) as string[] }),
  };
}

/** JSON.parse for a string, which seldom has anything escaped. */
function parseString(json: string): string {
  return json.includes("\\") ? (JSON.parse(json) as string) : json.slice(1, -1);
}
