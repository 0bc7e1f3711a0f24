import type { FrontendReply, FrontendRequest, PushTarget } from "../../types.js";

/*
 * A request is text of three parts, the first two ended by a line feed, which JSON never contains:
 * 1. the versions of a fused push, one for each channel (`-`: none there), with spaces between; otherwise empty
 * 2. a JSON header
 * 3. the body of a push, as it goes to the clients
 */

interface Header {
  /** Who asks: the id of its reply channel. */
  from: string;
  /** The number of the request, unique at `from`. */
  id: number;
  /** The request without its body; a fused push has the channels' names in the place of its target. */
  request: Omit<FrontendRequest, "body"> & { names?: readonly string[] };
}

export interface Envelope {
  from: string;
  id: number;
  request: FrontendRequest;
}

/** A reply: the request's id, who replies, and the answer or why there is none. */
export type Reply = [id: number, sid: string, answer: FrontendReply | null, error?: string];

export function encodeRequest(from: string, id: number, request: FrontendRequest): string {
  const { body = "", ...rest } = request as FrontendRequest & { body?: string };
  return `\n${encodeRest({ from, id, request: rest }, body)}`;
}

/** A fused push without its first line, which the script writes for each frontend. */
export function encodeFusedPush(
  from: string,
  id: number,
  push: { route: string; body: string; names: readonly string[]; except: readonly string[] },
): string {
  const { route, body, names, except } = push;
  const request = { type: "push" as const, route, names, ...(except.length > 0 && { except }) };
  return encodeRest({ from, id, request }, body);
}

/** @throws where the text is not a request */
export function decodeRequest(text: string): Envelope {
  const firstEnd = text.indexOf("\n");
  const secondEnd = text.indexOf("\n", firstEnd + 1);
  if (secondEnd < 0) throw new SyntaxError("a request has three parts");
  const { from, id, request } = JSON.parse(text.slice(firstEnd + 1, secondEnd)) as Header;
  const { names, ...rest } = request;
  const versions = text.slice(0, firstEnd);
  return {
    from,
    id,
    request: {
      ...rest,
      ...(names && { target: channelsAt(names, versions.split(" ")) }),
      ...(rest.type === "push" && { body: text.slice(secondEnd + 1) }),
    } as FrontendRequest,
  };
}

function encodeRest(header: Header, body: string): string {
  return `${JSON.stringify(header)}\n${body}`;
}

function channelsAt(names: readonly string[], versions: readonly string[]): PushTarget {
  const channels = names.map((name, index) => ({ name, version: versions[index] ?? "-" }));
  return { channels: channels.filter(({ version }) => version !== "-") };
}
