import { adaptManager } from "../../cluster/adapted-manager.js";
import { invalidOption, missingMethod, PART_METHODS } from "../../options.js";
import { redis } from "../../redis/index.js";
import type { ChannelManager, Cluster, RpcTransport } from "../../types.js";
import type { Application } from "./application.js";
import { redisSource, type GlobalChannelPluginOptions, type ResolvedPluginOptions } from "./options.js";
import { ApplicationRegistry } from "./registry.js";
import { ApplicationRpc } from "./rpc.js";
import { RpcInvokeTransport } from "./rpc-transport.js";

/** Makes a transport that reaches this plugin at a frontend by the framework's RPC, where the framework lets plugins. */
export type RemoteTransport = (rpc: ApplicationRpc) => RpcTransport;

/**
 * The parts that the options ask for. With the transport `redis` they are those of a cluster without a framework; else the
 * application says who is alive, and Redis is used only where it keeps the members, or history.
 */
export function createCluster(
  app: Application,
  options: ResolvedPluginOptions,
  given: GlobalChannelPluginOptions,
  remoteTransport: RemoteTransport | undefined,
): Cluster {
  const own = options.channelManager && ownManager(app, options, given);
  const needsRedis = !own || options.transport === "redis" || options.history !== undefined;
  const store = needsRedis ? redisCluster(options) : undefined;
  const manager = own ?? store!.manager;
  if (store && options.transport === "redis") return { ...store, manager };

  const registry = new ApplicationRegistry(app, store?.registry);
  const history = store?.history;
  if (typeof options.transport === "object") return { manager, registry, transport: options.transport, history };
  const rpc = new ApplicationRpc(app);
  const other = remoteTransport?.(rpc) ?? store?.transport;
  // While an application is being moved to this plugin, some frontends may not have its remote yet.
  const uidsOnly = (): boolean => !remoteTransport || !registry.isPluginEverywhere;
  return { manager, registry, transport: new RpcInvokeTransport(rpc, { other, uidsOnly }), history };
}

function redisCluster(options: ResolvedPluginOptions): Cluster {
  const { prefix, history } = options;
  return redis(redisSource(options), { ...(prefix !== undefined && { prefix }), history });
}

function ownManager(
  app: Application,
  { channelManager }: ResolvedPluginOptions,
  given: GlobalChannelPluginOptions,
): ChannelManager {
  const manager = typeof channelManager === "function" ? channelManager(app, given) : channelManager;
  const missing = missingMethod(manager, PART_METHODS.manager);
  if (manager === undefined || missing) {
    throw invalidOption("globalChannel", "channelManager", manager, `a channel manager; it has no method ${missing}`);
  }
  return adaptManager(manager);
}
