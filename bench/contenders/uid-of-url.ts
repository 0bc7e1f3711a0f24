import type { IncomingMessage } from "node:http";

/** Who a client says it is. */
export function uidOfUrl({ url }: IncomingMessage): string {
  return new URL(url!, "http://localhost").searchParams.get("uid")!;
}
