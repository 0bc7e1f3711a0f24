import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { ClientProtocol } from "../contenders/contender.js";

export interface ClientPlace {
  uid: string;
  /** The port of its frontend. */
  port: number;
}

/** What a client is told to do with what it gets. */
interface Handlers {
  message(text: Buffer): void;
  closed(): void;
}

const PATHS: Record<Exclude<ClientProtocol, "sse">, string> = {
  plain: "/?",
  "socket.io": "/socket.io/?EIO=4&transport=websocket&",
};

/** Engine.IO's answer to a ping, the only packet that is a single byte. */
const PONG = "3";

/**
 * Connects a client that does as little as possible with what it gets, the same whatever it speaks: clients share the cores with
 * what is measured.
 */
export async function connectClient(place: ClientPlace, protocol: ClientProtocol, handlers: Handlers): Promise<void> {
  await (protocol === "sse" ? connectSse(place, handlers) : connectWebSocket(place, protocol, handlers));
}

/** What ends an event. */
const END_OF_EVENT = "\n\n";

/** Resolves when the stream has begun. */
async function connectSse({ uid, port }: ClientPlace, { message, closed }: Handlers): Promise<void> {
  const request = get({ port, host: "127.0.0.1", path: `/?uid=${uid}`, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  let rest: Buffer = Buffer.alloc(0);
  response.on("data", (data: Buffer) => {
    // Mostly whole events come.
    rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
    let end = rest.indexOf(END_OF_EVENT);
    for (; end !== -1; end = rest.indexOf(END_OF_EVENT)) {
      const event = rest.subarray(0, end);
      rest = rest.subarray(end + END_OF_EVENT.length);
      if (event.includes("data: ")) message(event);
    }
  });
  response.on("error", closed).on("close", closed);
}

async function connectWebSocket(
  { uid, port }: ClientPlace,
  protocol: keyof typeof PATHS,
  { message, closed }: Handlers,
): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${PATHS[protocol]}uid=${uid}`, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  if (protocol === "socket.io") {
    await joinSocketIo(socket);
    socket.on("message", (data: Buffer) => (data.length === 1 ? socket.send(PONG) : message(data)));
  } else {
    await once(socket, "open");
    socket.on("message", message);
  }
  socket.on("close", closed);
}

/**
 * The client's part of Socket.IO's handshake: the server opens Engine.IO, the client asks for the main namespace and gets it.
 * @see https://socket.io/docs/v4/socket-io-protocol/
 */
function joinSocketIo(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error("a client was disconnected in the handshake of Socket.IO"));
    const shake = (data: Buffer): void => {
      const text = data.toString();
      if (text.startsWith("0")) {
        socket.send("40");
      } else if (text.startsWith("40")) {
        socket.off("message", shake).off("close", fail).off("error", reject);
        resolve();
      } else {
        reject(new Error(`in the handshake of Socket.IO a client got ${text}`));
      }
    };
    socket.on("message", shake).on("close", fail).on("error", reject);
  });
}
