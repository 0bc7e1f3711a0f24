import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below those that systems give to clients, so that nobody gets the port of a server that is down for a while, and apart from
 * those of the Redis servers of tests.
 */
const PORTS = { from: 2000, to: 10_000 };

/** How many ports are claimed at once: a block is of the process that listens at its first port. */
const BLOCK = 40;

const claimed: number[] = [];

/** Ports that nobody listens at, each given once by this process, and by no other one as long as this one lives. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = claimed.pop();
    if (port === undefined) claimed.push(...(await claimBlock()));
    else if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function claimBlock(): Promise<number[]> {
  for (;;) {
    const first = PORTS.from + BLOCK * Math.floor((Math.random() * (PORTS.to - PORTS.from)) / BLOCK);
    if (await listens(createServer().unref(), first)) return Array.from({ length: BLOCK - 1 }, (_, n) => first + 1 + n);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await listens(server, port);
  if (isListening) await new Promise((resolve) => server.close(resolve));
  return isListening;
}

async function listens(server: Server, port: number): Promise<boolean> {
  try {
    server.listen(port);
    await once(server, "listening");
    return true;
  } catch {
    return false;
  }
}
