import { createRequire } from "node:module";

/** What npm `pomelo-protocol` offers; it brings no types. */
interface PomeloProtocol {
  Package: {
    encode(type: number, body?: Buffer): Buffer;
    decode(data: Buffer): RawPackage | RawPackage[];
  };
  Message: {
    encode(id: number, type: number, compressRoute: 0 | 1, route: string, body: Buffer): Buffer;
    decode(data: Buffer): { id: number; type: number; route: string | null; body: Buffer };
  };
}

interface RawPackage {
  type: number;
  body: Buffer | null;
}

const require = createRequire(import.meta.url);
const { Package, Message } = require("pomelo-protocol") as PomeloProtocol;

export const PACKAGE = { handshake: 1, handshakeAck: 2, heartbeat: 3, data: 4, kick: 5 } as const;
const MESSAGE = { request: 0, response: 2, push: 3 } as const;

export type ServerMessage =
  | { type: "response"; id: number; body: unknown }
  | { type: "push"; route: string; body: unknown };

export function encodePackage(type: number, content?: unknown): Buffer {
  return Package.encode(type, content === undefined ? undefined : Buffer.from(JSON.stringify(content)));
}

export function encodeRequest(id: number, route: string, content: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(content));
  return Package.encode(PACKAGE.data, Message.encode(id, MESSAGE.request, 0, route, body));
}

/** What one WebSocket message holds: several packages where the server has sent pushes together. */
export function decodePackages(data: Buffer): RawPackage[] {
  const packages = Package.decode(data);
  return Array.isArray(packages) ? packages : [packages];
}

export function decodeContent(body: Buffer | null): unknown {
  return body === null || body.length === 0 ? undefined : JSON.parse(body.toString());
}

export function decodeMessage(data: Buffer): ServerMessage {
  const { id, type, route, body } = Message.decode(data);
  if (type === MESSAGE.response) return { type: "response", id, body: decodeContent(body) };
  if (type === MESSAGE.push) return { type: "push", route: route!, body: decodeContent(body) };
  throw new Error(`a server sent a message of type ${type}`);
}
