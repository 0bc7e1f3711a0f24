import type { FrontendReplies, FrontendRequest, RequestHandler } from "../../types.js";

/** A deadline that no healthy transport comes near. */
export const LONG = { timeoutMs: 20_000 };
/** A deadline that a case waits for. */
export const SHORT = { timeoutMs: 300 };
export const DELIVERED: FrontendReplies["push"] = { delivered: 1, failed: [] };

export function push(body: string): Extract<FrontendRequest, { type: "push" }> {
  return { type: "push", target: { everyone: true }, route: "chat", body };
}

/** A handler that keeps the bodies of the pushes it gets. */
export function recorder(): { bodies: string[]; handler: RequestHandler } {
  const bodies: string[] = [];
  const handler: RequestHandler = (request) => {
    if (request.type === "push") bodies.push(request.body);
    return DELIVERED;
  };
  return { bodies, handler };
}
