import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { randomPort } from "./programs.js";
import { startRedis, type RedisServer } from "./redis-server.js";
import { makeTlsFiles } from "./tls.js";
import { waitUntilRight } from "./wait-until-right.js";

/** It takes no writes for its first 2 s. */
const OK_TIMEOUT_MS = 20_000;

/** A Redis Cluster of one server, which clients reach with a password and by TLS. */
export interface OneNodeCluster {
  readonly server: RedisServer;
  readonly nodes: { host: string; port: number }[];
  readonly redisOptions: { password: string; tls: { ca: Buffer } };
}

/** It ends with the test. */
export async function startOneNodeCluster(t: ExecutionContext): Promise<OneNodeCluster> {
  const tls = await makeTlsFiles(t);
  const tlsPort = randomPort();
  const config = `globalchannel-${randomUUID()}.conf`;
  t.teardown(() => rm(join(tmpdir(), config), { force: true }));
  const cluster = ["--cluster-enabled", "yes", "--cluster-config-file", config, "--cluster-port", String(randomPort())];
  // Otherwise it names its other port to clients.
  const byTls = ["--tls-cluster", "yes", ...tls.args(tlsPort)];
  const server = await startRedis({
    args: [...cluster, "--cluster-announce-ip", "127.0.0.1", "--requirepass", "secret", ...byTls],
  });
  t.teardown(() => server.stop());
  const admin = new Redis({ host: server.host, port: server.port, password: "secret" });
  t.teardown(() => admin.disconnect());
  await admin.cluster("ADDSLOTSRANGE", 0, 16_383);
  await waitUntilRight(async () => {
    const info = await admin.cluster("INFO");
    return info.includes("cluster_state:ok") ? undefined : info;
  }, OK_TIMEOUT_MS);
  admin.disconnect();
  return {
    server,
    nodes: [{ host: server.host, port: tlsPort }],
    redisOptions: { password: "secret", tls: { ca: tls.ca } },
  };
}
