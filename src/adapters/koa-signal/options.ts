import bytes from "bytes";
import { invalid } from "../../arguments.js";
import { checkCluster } from "../../cluster/check-cluster.js";
import type { SseConnectorOptions } from "../../connectors/sse/connector.js";
import { GlobalChannelError } from "../../errors.js";
import type { Frontend } from "../../frontend/frontend.js";
import { aFunction, amount, anObject, missingMethod, optional, resolveOptions } from "../../options.js";
import type { GlobalChannelService } from "../../service/service.js";
import type { ClusterInput } from "../../types.js";
import type { KoaContext } from "./context.js";

/** Options of `signal`. All may be left out: swarms are in this process alone then. */
export interface SignalOptions<C = KoaContext> {
  /** The largest body of a POST: bytes, or as `"10kb"`. Where a body parser runs before, its own limit counts. @default "10kb" */
  limit?: number | string | undefined;
  /** What the processes share, such as `redis(url)`: then they share all swarms. @default `memory()`: this process only */
  cluster?: ClusterInput | undefined;
  /** One that is there already, which its owner starts and stops. With its `leaveDelayMs` leaves, and ends of swarms, are heard of later. */
  service?: GlobalChannelService | undefined;
  /**
   * One that is there already, with an `SseConnector`; its owner starts and stops it. Those of all processes have the same `stype`. The uids
   * of peers are their cids: no user may have one of these, and a `broadcast` to that type reaches peers, too.
   */
  frontend?: Frontend | undefined;
  /** Of the connector that is made where no `frontend` is given. With a `history` peers may come back. */
  sse?: SseConnectorOptions | undefined;
  /** What `GET /` is answered with. `EventSource` of browsers takes no other than 200; `fetch` does. @default 201 */
  createdStatus?: 200 | 201 | undefined;
  /** How many swarms one address may have at a time, in the whole cluster. @default 1000 */
  maxSwarmsPerAddress?: number | undefined;
  /** How many peers, in all swarms, initiators among them. @default 10_000 */
  maxPeersPerAddress?: number | undefined;
  /**
   * Where a request comes from. Behind proxies set `app.proxy = true`, and `app.maxIpsCount` to how many of your own there are: clients choose
   * what else is in `X-Forwarded-For`. @default `ctx.ip`, of IPv6 its network of 64 bits
   */
  address?: ((ctx: C) => string) | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveSignalOptions(options: SignalOptions<never>) {
  const resolved = resolveOptions("signal", options, {
    limit: aSize("10kb"),
    cluster: optional((option, value) => {
      checkCluster(option, value);
      return value as ClusterInput;
    }),
    service: optional(aService),
    frontend: optional(aFrontend),
    sse: optional(anObject<SseConnectorOptions>()),
    createdStatus: (option, value = 201) => {
      if (value !== 200 && value !== 201) throw invalid(option, value, "200 or 201");
      return value;
    },
    maxSwarmsPerAddress: amount(1000),
    maxPeersPerAddress: amount(10_000),
    address: optional(aFunction<(ctx: KoaContext) => string>()),
  });
  if (resolved.cluster && (resolved.service ?? resolved.frontend)) {
    throw refused("cluster", "cluster is that of service or frontend where one is given");
  }
  if (resolved.frontend && resolved.sse)
    throw refused("sse", "sse is for the connector that is made where there is no frontend");
  return resolved;
}

/** As body parsers take it; but these take what they do not understand for no limit, or for another one. */
function aSize(defaultSize: string) {
  return (option: string, value: unknown = defaultSize): number => {
    const isReadable = typeof value === "number" || (typeof value === "string" && SIZE_PATTERN.test(value));
    const size = isReadable ? bytes.parse(value) : null;
    if (size === null || !(size >= 1 && size < Infinity)) {
      throw invalid(option, value, 'a number of bytes of at least 1, or a size as "10kb"');
    }
    return size;
  };
}

const SIZE_PATTERN = /^\d+(\.\d+)? *(b|kb|mb|gb)?$/i;

function aService(option: string, value: unknown): GlobalChannelService {
  if (missingMethod(value, ["addMany", "count", "isMember", "pushMessage", "on"])) {
    throw invalid(option, value, "a GlobalChannelService");
  }
  return value as GlobalChannelService;
}

function aFrontend(option: string, value: unknown): Frontend {
  const { connector, autoLeave } = (value ?? {}) as Partial<Frontend>;
  if (missingMethod(connector, ["accept", "sessionOf"]))
    throw invalid(option, value, "a Frontend with an SseConnector");
  if (autoLeave === false)
    throw invalid(option, value, "a Frontend with autoLeave: peers leave when their streams end");
  return value as Frontend;
}

export function refused(argument: string, message: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_OPTION", `signal: ${message}`, { argument });
}
