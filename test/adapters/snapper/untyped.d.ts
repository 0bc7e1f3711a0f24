declare module "snapper-producer" {
  import type { EventEmitter } from "node:events";

  /** What takes a callback of Node.js. */
  type Thunk = (callback: (error: Error | null, result?: unknown) => void) => void;

  interface Options {
    producerId: string;
    secretKeys: string | string[];
    expiresIn?: number;
  }

  export default class SnapperProducer extends EventEmitter {
    constructor(port: number, host: string, options: Options);
    signAuth(payload: object): string;
    sendMessage(room: string, message: string): this;
    joinRoom(room: string, consumerId: string): Thunk;
    leaveRoom(room: string, consumerId: string): Thunk;
    request(method: string, params: unknown[]): Thunk;
    close(): void;
  }
}

declare module "toa-net" {
  import type { EventEmitter } from "node:events";
  import type { AddressInfo } from "node:net";

  interface Payload {
    id?: string | number;
    name: string;
    method: string;
    params: unknown[];
  }

  export class Auth {
    constructor(options: { secrets: unknown[]; algorithm?: string; expiresIn?: number });
    sign(payload: object): string;
    verify(token: string): Record<string, unknown>;
  }

  export class Socket extends EventEmitter {
    success(id: string | number | undefined, result: unknown): void;
    error(id: string | number | undefined, error: unknown): void;
    createError(...args: unknown[]): Error;
    destroy(): void;
  }

  export class Server extends EventEmitter {
    constructor(listener: (socket: Socket) => void);
    getAuthenticator: () => (token: string) => unknown;
    listen(port: number, host: string): void;
    address(): AddressInfo;
    close(callback?: () => void): void;
  }
}
