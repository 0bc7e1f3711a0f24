import { once } from "node:events";
import type { Server } from "node:net";
import { GlobalChannelError } from "../../errors.js";

/**
 * Resolves when clients can connect.
 * @param isClosed whether the server was told to close: what is not listening yet cannot be closed
 * @throws `GC_CLOSED` it was, before or meanwhile, and does not listen; the error of the system, as `EADDRINUSE`
 */
export async function listen(
  server: Server,
  port: number,
  host: string | undefined,
  isClosed: () => boolean,
): Promise<void> {
  if (!isClosed()) {
    const listening = once(server, "listening");
    server.listen(port, host);
    await listening;
    if (!isClosed()) return;
    server.close();
  }
  throw new GlobalChannelError("GC_CLOSED", "the server is closed");
}
