import type { Claim } from "../support/claims.js";
import type { ContenderName } from "./contender.js";
import type { PushCell, PushResult } from "./push.js";

/** How much two measurements of the same may differ. */
const NOISE = 0.05;

export function claimsOfPushes(results: readonly PushResult[]): Claim[] {
  return [...claimsOfRedis(results), ...claimsOfRpc(results)];
}

function claimsOfRedis(results: readonly PushResult[]): Claim[] {
  const calm = results.filter(({ members, outstanding }) => members === 100 && outstanding === 1);
  const large = results.filter(({ members }) => members === 3000);
  const speed = ({ perSecond }: PushResult): number => perSecond.median;
  return [
    {
      claim: "redis: ms to the client (p50) at N = 100, one push at a time",
      atMost: 3,
      measured: of("redis", calm)[0]!.clientP50Ms.median,
    },
    {
      claim: "redis: times the original's pushes/s there",
      atLeast: 20,
      measured: smallest(ratios("redis", calm, speed)).value,
    },
    {
      ...named("redis: times the original's pushes/s", smallest(ratios("redis", results, speed))),
      atLeast: 1 - NOISE,
    },
    {
      ...named("redis: times the original's backend CPU", largest(ratios("redis", large, backendCpu))),
      atMost: 1 / 5,
    },
    {
      ...named(
        "redis: bytes from Redis to the backend for each push",
        largest(of("redis", large).map((cell) => ({ cell, value: cell.bytesFromRedisToBackend.median }))),
      ),
      atMost: 500,
    },
  ];
}

/** Of the transport `rpc`; whatever the number of connectors. */
export function claimsOfRpc(results: readonly PushResult[]): Claim[] {
  const own = of("rpc", results);
  const alone = own.filter(({ outstanding }) => outstanding === 1);
  const most = (cells: readonly PushResult[], cost: "backendRoundTrips" | "commandsFromClients" | "bytesFromRedis") =>
    largest(cells.map((cell) => ({ cell, value: cell[cost].median })));
  const count = (claim: string, worst: CellValue) => named(claim, { ...worst, value: quarters(worst.value) });
  return [
    { ...count("rpc: round trips to Redis for each push", most(alone, "backendRoundTrips")), atMost: 1 },
    { ...count("rpc: Redis commands for each push", most(own, "commandsFromClients")), atMost: 2 },
    { ...named("rpc: bytes from Redis for each push", most(own, "bytesFromRedis")), atMost: 500 },
    {
      ...named("rpc: times the original's backend CPU", largest(ratios("rpc", results, backendCpu))),
      atMost: 1 + NOISE,
    },
  ];
}

interface CellValue {
  cell: PushCell;
  value: number;
}

function backendCpu({ backendCpuMs }: PushResult): number {
  return backendCpuMs.median;
}

function of(contender: ContenderName, results: readonly PushResult[]): PushResult[] {
  return results.filter((result) => result.contender === contender);
}

/** A contender's values through the original's, where both were measured. */
function ratios(
  contender: ContenderName,
  results: readonly PushResult[],
  value: (result: PushResult) => number,
): CellValue[] {
  return of(contender, results).flatMap((cell) => {
    const original = of("original", results).find(
      ({ members, outstanding }) => members === cell.members && outstanding === cell.outstanding,
    );
    return original ? [{ cell, value: value(cell) / value(original) }] : [];
  });
}

function smallest(values: readonly CellValue[]): CellValue {
  return values.reduce((best, other) => (other.value < best.value ? other : best));
}

function largest(values: readonly CellValue[]): CellValue {
  return values.reduce((best, other) => (other.value > best.value ? other : best));
}

/** Says where it is at its worst. */
function named(claim: string, { cell, value }: CellValue): Pick<Claim, "claim" | "measured"> {
  const { connectors, members, outstanding } = cell;
  const where = `${connectors} connectors, N = ${members.toLocaleString("en-US")}, ${outstanding} outstanding`;
  return { claim: `${claim}, at the worst (${where})`, measured: value };
}

/** What is subtracted for what an idle application does is an estimate; one round trip more for each push would be a whole one. */
function quarters(value: number): number {
  return Math.round(value * 4) / 4;
}
