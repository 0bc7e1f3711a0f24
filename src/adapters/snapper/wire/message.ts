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

/** The answer to a request. `id` is null where the other side could not read the request's. */
export type RpcAnswer =
  | { readonly id: RpcId | null; readonly result: unknown }
  | { readonly id: RpcId | null; readonly error: RpcFailure };

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

/**
 * Reads what a server may send: undefined for what is no answer, as it may call, too.
 * @throws `GC_PROTOCOL_ERROR` it is nothing of JSON-RPC 2.0
 */
export function parseAnswer(frame: Buffer): RpcAnswer | undefined {
  const { id = null, method, result, error } = parseMessage(frame);
  if (method !== undefined) return undefined;
  if (id !== null && !isId(id)) throw protocolError("the id of an answer is neither a text nor an integer");
  if (error === undefined) return { id, result };
  if (!isFailure(error)) throw protocolError("the error of an answer has no code or no message");
  return { id, error };
}

/** @param paramsJson an array as JSON */
export function encodeCall(id: RpcId, method: string, paramsJson: string): Buffer {
  return encodeFrame(
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)},"params":${paramsJson}}`,
  );
}

/** @throws where `result` has no JSON form */
export function encodeResult(id: RpcId, result: unknown): Buffer {
  const json = JSON.stringify(result) as string | undefined;
  return encodeFrame(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${json ?? "null"}}`);
}

export function encodeFailure(id: RpcId, error: RpcFailure): Buffer {
  return encodeFrame(JSON.stringify({ jsonrpc: "2.0", id, error }));
}

/** What a message of either kind may have. */
interface AnyMessage {
  jsonrpc?: unknown;
  id?: unknown;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: unknown;
}

function parseMessage(frame: Buffer): AnyMessage {
  const message = parseJson(frame) as AnyMessage | null;
  if (typeof message !== "object" || message?.jsonrpc !== "2.0") throw protocolError("a frame is not JSON-RPC 2.0");
  return message;
}

function isId(id: unknown): id is RpcId {
  return typeof id === "string" ? id.length <= MAX_ID_CHARACTERS : Number.isSafeInteger(id);
}

function isFailure(error: unknown): error is RpcFailure {
  const { code, message } = (error ?? {}) as Partial<Record<keyof RpcFailure, unknown>>;
  return typeof code === "number" && typeof message === "string";
}
