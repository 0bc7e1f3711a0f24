import type { IncomingMessage, ServerResponse } from "node:http";

/** What is used of a Koa context, of version 2 or 3. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly request: object;
  readonly method: string;
  readonly path: string;
  /** The client's address; behind a proxy the one that it says, where `app.proxy` is true. */
  readonly ip: string;
  status: number;
  body: unknown;
  /** False: Koa leaves the response alone. */
  respond?: boolean | undefined;
  accepts(type: string): unknown;
  throw(status: number, message: string): never;
  // Not an optional argument: Koa's types take no undefined one, and its contexts would be none of these.
  throw(status: number, message: string, properties: object): never;
}
