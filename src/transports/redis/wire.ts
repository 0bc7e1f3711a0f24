import type { FrontendReply, FrontendRequest, PushTarget, Version } from "../../types.js";

/*
 * A request is text of three parts, the first two ended by a line feed, which JSON never contains:
 * 1. the entries of a fused push in the sets of its channels (`<version>.<count>`, or `-`: none), with spaces between;
 *    otherwise empty
 * 2. a header, which is described below
 * 3. the body of a push, as it goes to the clients
 */

/*
 * A header is `<from> <id> <request>`: the id of the reply channel of who asks, the number of the request, unique there, and
 * the request without its body. That is JSON, or for a fused push that leaves nobody out, which is nearly every request, the
 * route and the names of the channels, each as a JSON string, with tabs between.
 */

export interface Envelope {
  from: string;
  id: number;
  request: FrontendRequest;
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
  return `\n${from} ${id} ${JSON.stringify(rest)}\n${body}`;
}

/** A fused push without its first line, which the script writes for each frontend. */
export function encodeFusedPush(
  from: string,
  id: number,
  push: { route: string; body: string; names: readonly string[]; except: readonly string[] },
): string {
  const { route, body, names, except } = push;
  const request =
    except.length > 0
      ? JSON.stringify({ type: "push", route, names, except })
      : `${JSON.stringify(route)}${names.map((name) => `\t${JSON.stringify(name)}`).join("")}`;
  return `${from} ${id} ${request}\n${body}`;
}

/** @throws where the text is not a request */
export function decodeRequest(text: string): Envelope {
  const firstEnd = text.indexOf("\n");
  const secondEnd = text.indexOf("\n", firstEnd + 1);
  const fromEnd = text.indexOf(" ", firstEnd);
  const idEnd = text.indexOf(" ", fromEnd + 1);
  if (firstEnd < 0 || fromEnd < 0 || idEnd < 0 || secondEnd < idEnd) throw new SyntaxError("this is not a request");
  return {
    from: text.slice(firstEnd + 1, fromEnd),
    id: Number(text.slice(fromEnd + 1, idEnd)),
    request: parseRequest(text.slice(idEnd + 1, secondEnd), text.slice(0, firstEnd), text.slice(secondEnd + 1)),
  };
}

function parseRequest(text: string, entries: string, body: string): FrontendRequest {
  if (!text.startsWith("{")) {
    const [route, ...names] = text.split("\t").map(parseString);
    return { type: "push", target: channelsAt(names, entries), route: route!, body };
  }
  const { names, ...request } = JSON.parse(text) as Omit<FrontendRequest, "body"> & { names?: readonly string[] };
  return {
    ...request,
    ...(names && { target: channelsAt(names, entries) }),
    ...(request.type === "push" && { body }),
  } as FrontendRequest;
}

/** JSON.parse for a string, which seldom has anything escaped. */
function parseString(json: string): string {
  return json.includes("\\") ? (JSON.parse(json) as string) : json.slice(1, -1);
}

function channelsAt(names: readonly string[], line: string): PushTarget {
  const channels: { name: string; version: Version }[] = [];
  line.split(" ").forEach((entry, index) => {
    if (entry !== "-") channels.push({ name: names[index]!, version: entry.slice(0, entry.lastIndexOf(".")) });
  });
  return { channels };
}
