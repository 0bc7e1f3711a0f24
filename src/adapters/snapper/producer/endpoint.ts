import { isIP } from "node:net";
import { checkInteger, invalid } from "../../../arguments.js";

/** Where a broker listens. */
export interface Endpoint {
  readonly port: number;
  readonly host: string;
}

/** What a URL may begin with, as the connection is plain TCP whatever it says: not with what promises TLS. */
const PROTOCOLS: readonly string[] = ["http:", "tcp:"];

/**
 * @param host a name or an IP address, or a URL, as `http://snapper.example.com`, of which only that is taken. @default `127.0.0.1`
 * @throws `GC_INVALID_ARGUMENT`
 */
export function checkEndpoint(port: unknown, host: unknown = "127.0.0.1"): Endpoint {
  return { port: checkInteger("port", port, { min: 1, max: 65_535 }), host: hostOf(host) };
}

function hostOf(host: unknown): string {
  const allowed = "a name, an IP address, or a URL of such (http: or tcp:) without a port";
  if (typeof host !== "string" || host === "") throw invalid("host", host, allowed);
  if (isIP(host)) return host;
  if (!host.includes("://")) {
    if (!/^[\w.-]+$/.test(host)) throw invalid("host", host, allowed);
    return host;
  }
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (!url?.hostname || url.port || url.username || !PROTOCOLS.includes(url.protocol)) {
    throw invalid("host", host.replace(/\/\/.*@/s, "//***@"), allowed);
  }
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
