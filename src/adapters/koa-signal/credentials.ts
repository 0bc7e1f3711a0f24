import { createHash, randomBytes } from "node:crypto";

/** What every id, token and cid looks like: 128 bits. */
const PATTERN = /^[0-9a-f]{32}$/;

/** What a peer shows to send signals, and how others call it. */
export interface Credentials {
  token: string;
  cid: string;
}

export function newId(): string {
  return randomBytes(16).toString("hex");
}

/**
 * A peer's `cid` is a hash of its token: whoever has a token is that peer, as every process can tell, and nobody finds a token by a cid.
 * Tokens are kept nowhere, and never compared, so that no time tells anything of one.
 */
export function newCredentials(): Credentials {
  const token = newId();
  return { token, cid: hash(token) };
}

/** The peer whose token this is, or undefined where it can be none. */
export function cidOf(token: unknown): string | undefined {
  return isId(token) ? hash(token) : undefined;
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && PATTERN.test(value);
}

function hash(token: string): string {
  return createHash("sha256").update(`globalchannel signal ${token}`).digest("hex").slice(0, 32);
}
