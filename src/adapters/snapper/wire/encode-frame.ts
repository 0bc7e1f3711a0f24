/** A JSON text as it goes over a connection: a bulk string of RESP, whose length counts bytes. */
export function encodeFrame(json: string): Buffer {
  return Buffer.from(`$${Buffer.byteLength(json)}\r\n${json}\r\n`);
}
