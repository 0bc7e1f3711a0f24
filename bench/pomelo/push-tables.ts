import type { Chart } from "../support/chart.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import type { CostName } from "./costs.js";
import type { PushResult } from "./push.js";

const COSTS: readonly { cost: CostName; title: string }[] = [
  { cost: "commandsFromClients", title: "commands from clients" },
  { cost: "backendRoundTrips", title: "round trips" },
  { cost: "redisCalls", title: "commands that Redis counts" },
  { cost: "bytesFromRedis", title: "bytes from Redis" },
  { cost: "bytesFromRedisToBackend", title: "of them to the backend" },
  { cost: "bytesToRedis", title: "bytes to Redis" },
  { cost: "rpcBytesWritten", title: "bytes to connectors by RPC" },
];

export function speedTable(title: string, results: readonly PushResult[]): string {
  return markdownTable(
    title,
    [
      ...["N", "outstanding", "contender", "pushes/s"],
      ...["ms to the callback: p50", "p99", "to the client: p50", "p99"],
      ...["CPU ms/push: backend", "connectors", "Redis"],
    ],
    results.map((result) => [
      format(result.members),
      String(result.outstanding),
      result.contender,
      formatSpread(result.perSecond),
      formatSpread(result.callbackP50Ms),
      format(result.callbackP99Ms.median),
      formatSpread(result.clientP50Ms),
      format(result.clientP99Ms.median),
      formatSpread(result.backendCpuMs),
      format(result.connectorsCpuMs.median),
      format(result.redisCpuMs.median),
    ]),
  );
}

/** How many pushes a second reach all clients. */
export function speedChart(title: string, results: readonly PushResult[]): Chart {
  return {
    kind: "bars",
    title,
    unit: "pushes/s",
    isLogarithmic: true,
    bars: results.map(({ members, outstanding, contender, perSecond }) => ({
      group: `N = ${format(members)}, ${outstanding} outstanding`,
      contender,
      value: perSecond,
    })),
  };
}

/** One row for all that differ in the number of outstanding pushes only. */
export function costsTable(title: string, results: readonly PushResult[]): string {
  const rows = new Map<string, PushResult[]>();
  for (const result of results) {
    const key = `${result.members} ${result.contender}`;
    rows.set(key, [...(rows.get(key) ?? []), result]);
  }
  return markdownTable(
    title,
    ["N", "contender", "outstanding", ...COSTS.map((column) => column.title)],
    [...rows.values()].map((row) => [
      format(row[0]!.members),
      row[0]!.contender,
      row.map(({ outstanding }) => outstanding).join(" / "),
      ...COSTS.map(({ cost }) => row.map((result) => format(result[cost].median)).join(" / ")),
    ]),
  );
}
