import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { dirname } from "node:path";

import { isReadable } from "./programs.js";
import type { RedisNode } from "./redis-node.js";

/** What servers have taken of this machine. */
export interface Belongings {
  ports: number[];
  folder: string;
}

/** What nodes have taken that run. @param nodes the first one is no Sentinel */
export async function belongingsOf(nodes: readonly RedisNode[]): Promise<Belongings> {
  const [, folder] = (await nodes[0]!.call("CONFIG", "GET", "dir")) as [string, string];
  return { ports: nodes.map(({ port }) => port), folder: dirname(folder) };
}

/** What of it is still there: the ports where somebody listens, and the folder. */
export async function leftoversOf({ ports, folder }: Belongings): Promise<(number | string)[]> {
  const listening = await Promise.all(ports.map(isListening));
  return [...ports.filter((_, i) => listening[i]), ...((await isReadable(folder)) ? [folder] : [])];
}

/** Runs a script in a process of its own, kills that (`SIGKILL`) when it has written a line, and resolves the line. */
export async function killAfterFirstLine(script: string): Promise<string> {
  const child = spawn(process.execPath, ["--import=tsx", "--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await Promise.race([
      once(child.stdout.setEncoding("utf8"), "data"),
      once(child, "exit").then(() => Promise.reject(new Error("The script has ended, and has written nothing."))),
    ])) as [string];
    return line;
  } finally {
    child.kill("SIGKILL");
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
