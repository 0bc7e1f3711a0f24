import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import type { Cleanup } from "./cleanup.js";

export interface Page {
  url: string;
  /** From now on requests are answered, also those that have come before. `frontends`: sid -> WebSocket URL. */
  show(frontends: ReadonlyMap<string, string>): void;
}

/** Serves page.html on this machine. @throws if the port cannot be had */
export async function openPage(port: number, cleanup: Cleanup): Promise<Page> {
  const html = await readFile(new URL("page.html", import.meta.url));
  let show!: Page["show"];
  const shown = new Promise<ReadonlyMap<string, string>>((resolve) => (show = resolve));

  function answer(path: string | undefined, response: ServerResponse, frontends: ReadonlyMap<string, string>): void {
    if (path === "/") {
      response.setHeader("content-type", "text/html; charset=utf-8").end(html);
    } else if (path === "/frontends") {
      response.setHeader("content-type", "application/json").end(JSON.stringify([...frontends]));
    } else {
      response.writeHead(404).end();
    }
  }
  const server = createServer(({ url }, response) => {
    void shown.then((frontends) => answer(url, response, frontends));
  });

  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening").catch((error: Error) => {
    throw new Error(`${error.message}; choose another with --port`, { cause: error });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, show };
}
