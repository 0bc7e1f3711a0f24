import { encodeFrame } from "./encode-frame.js";
import { parseJson } from "./parse-json.js";
import { protocolError } from "./protocol-error.js";

/** What a request is answered under. */
export type RpcId = string | number;

/** A request, or a notification, which has no id and is not answered. */
export interface RpcCall {
  readonly id: RpcId | undefined;
  readonly method: string;
  /** An array, an object, or undefined. */
  readonly params: unknown;
}

/** The error of an answer. */
export interface RpcFailure {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Who answers writes it again. */
const MAX_ID_CHARACTERS = 256;

/**
 * Reads what a client may send.
 * @throws `GC_PROTOCOL_ERROR` it is no request and no notification of JSON-RPC 2.0, one by one
 * @see https://www.jsonrpc.org/specification
 */
export function parseCall(frame: Buffer): RpcCall {
  const { id, method, params } = parseMessage(frame);
  if (typeof method !== "string") throw protocolError("a frame is no request of JSON-RPC 2.0: it has no method");
  if (id !== undefined && !isId(id)) throw protocolError("the id of a request is neither a short text nor an integer");
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    throw protocolError("the params of a request are neither an array nor an object");
  }
  return { id, method, params };
}

/** @throws where `result` has no JSON form */
export function encodeResult(id: RpcId, result: unknown): Buffer {
  const json = JSON.stringify(result) as string | undefined;
  return encodeFrame(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${json ?? "null"}}`);
}

export function encodeFailure(id: RpcId, error: RpcFailure): Buffer {
  return encodeFrame(JSON.stringify({ jsonrpc: "2.0", id, error }));
}

/** What a message may have. */
interface AnyMessage {
  jsonrpc?: unknown;
  id?: unknown;
  method?: unknown;
  params?: unknown;
}

function parseMessage(frame: Buffer): AnyMessage {
  const message = parseJson(frame) as AnyMessage | null;
  if (typeof message !== "object" || message?.jsonrpc !== "2.0") throw protocolError("a frame is not JSON-RPC 2.0");
  return message;
}

function isId(id: unknown): id is RpcId {
  return typeof id === "string" ? id.length <= MAX_ID_CHARACTERS : Number.isSafeInteger(id);
}
