import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { run } from "./programs.js";

/** What a server on 127.0.0.1 needs for TLS. */
export interface TlsFiles {
  /** The arguments of a Redis server. */
  args: (port: number) => string[];
  /** Whom a client is to trust. */
  ca: Buffer;
}

/** They are there for as long as the test runs. */
export async function makeTlsFiles(t: ExecutionContext): Promise<TlsFiles> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-tls-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2"];
  await run("openssl", [...request, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
  const files = ["--tls-cert-file", cert, "--tls-ca-cert-file", cert, "--tls-key-file", key];
  return {
    args: (port) => ["--tls-port", String(port), "--tls-auth-clients", "no", ...files],
    ca: await readFile(cert),
  };
}
