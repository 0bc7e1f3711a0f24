import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to clients, so that nobody gets the port of a server that is down for a while. */
const PORTS = { from: 10_000, to: 32_000 };

const taken = new Set<number>();

/** Ports that nobody listens at, each given once by this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port);
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
