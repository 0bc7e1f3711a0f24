import { parseJson } from "../../wire/parse-json.js";

/** What a consumer has sent. */
interface ClientAnswer {
  /** What it is told. */
  answer?: string;
  /** Whether it has acknowledged the batch that is under way. */
  acknowledged?: boolean;
}

/** The longest id of a request, which is written again with the answer, in characters. */
const MAX_ID_CHARACTERS = 256;

/**
 * Reads what a consumer sends: an answer to the batch under way, whatever it says, acknowledges that; a request is answered with its own
 * params, so that consumers can try the connection; anything else is told to be `invalid`.
 */
export function readClientMessage(text: string, batchId: string | undefined): ClientAnswer {
  let message: { id?: unknown; method?: unknown; params?: unknown; result?: unknown; error?: unknown } | null;
  try {
    message = parseJson(Buffer.from(text)) as typeof message;
  } catch {
    return invalid("not JSON");
  }
  if (typeof message !== "object" || message === null) return invalid("not JSON-RPC");
  const { id, method, params = null, result, error } = message;
  const isId = typeof id === "string" ? id.length <= MAX_ID_CHARACTERS : Number.isSafeInteger(id);
  if (typeof method === "string" && isId) return { answer: JSON.stringify({ jsonrpc: "2.0", id, result: params }) };
  const isAnswer = method === undefined && (result !== undefined || error !== undefined);
  if (isAnswer && batchId !== undefined && id === batchId) return { acknowledged: true };
  // One that comes twice is none's fault.
  return isAnswer && isId ? {} : invalid("not JSON-RPC");
}

function invalid(reason: string): ClientAnswer {
  return { answer: JSON.stringify({ jsonrpc: "2.0", method: "invalid", params: [reason] }) };
}
