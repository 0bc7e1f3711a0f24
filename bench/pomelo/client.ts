import { once } from "node:events";
import { WebSocket } from "ws";
import {
  decodeMessage,
  decodePackages,
  encodePackage,
  encodeRequest,
  PACKAGE,
} from "../../test/cluster/frameworks/protocol.js";

/** The first byte of a message that is a push and whose route is written out. */
const PUSH_FLAG = 6;
const PACKAGE_HEAD = 4;

/**
 * Connects a client of Pomelo that does as little as possible with what it gets: clients share the cores with what is
 * measured. Heartbeats are not answered: the servers are to expect none.
 * @param take gets the body of each push, JSON
 */
export async function connectClient(uid: string, port: number, take: (body: Buffer) => void): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false, skipUTF8Validation: true });
  await once(socket, "open");
  const handshake = next(socket, PACKAGE.handshake);
  socket.send(encodePackage(PACKAGE.handshake, { sys: { type: "globalchannel-bench", version: "1" }, user: {} }));
  await handshake;
  const answer = next(socket, PACKAGE.data);
  socket.send(encodePackage(PACKAGE.handshakeAck));
  socket.send(encodeRequest(1, "connector.entryHandler.enter", { uid }));
  const { body } = decodeMessage(await answer);
  if ((body as { code?: number }).code !== 200) throw new Error(`${uid} could not enter: ${JSON.stringify(body)}`);
  socket.on("message", (data: Buffer) => takePushes(data, take));
  socket.on("close", () => {
    throw new Error(`${uid} was disconnected`);
  });
}

/** Resolves the body of the next package of this type. */
function next(socket: WebSocket, type: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const look = (data: Buffer): void => {
      const found = decodePackages(data).find((received) => received.type === type);
      if (!found) return;
      socket.off("message", look);
      resolve(found.body!);
    };
    socket.on("message", look);
  });
}

/** Each package is a type, a length of three bytes, and in a push: a flag, the length of the route, the route, and the body. */
function takePushes(data: Buffer, take: (body: Buffer) => void): void {
  for (let start = 0; start < data.length;) {
    const begin = start + PACKAGE_HEAD;
    const end = begin + data.readUIntBE(start + 1, 3);
    if (data[start] === PACKAGE.data && data[begin] === PUSH_FLAG) {
      take(data.subarray(begin + 2 + data[begin + 1]!, end));
    }
    start = end;
  }
}
