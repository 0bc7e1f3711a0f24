import type { CallbackManager, ChannelManager } from "./channel-manager.js";
import type { Appended, ChannelHistory, HistoryLimits } from "./channel-history.js";
import type { ClientMessage } from "./connector.js";
import type { FrontendReplies, RpcTransport } from "./rpc-transport.js";
import type { ServerRegistry } from "./server-registry.js";
import type { SubscriberStore } from "./subscriber-store.js";
import type { TokenStore } from "./token-store.js";

/** A push of one service, before it is known which frontends it concerns. */
export interface ChannelPush extends ClientMessage {
  names: readonly string[];
  stype: string;
  except: readonly string[];
  timeoutMs: number;
  /** Whether the frontends are to answer. */
  ack: boolean;
  /** What is to be kept of it, and whether it was done already. @default nothing */
  record?: PushRecord | undefined;
  /** Is to be called in the moment in which it is sent: where that has not been, and it fails, nobody gets it. */
  sending?: (() => void) | undefined;
}

/** What the history is asked for a push: see `HistoryAppend`. */
export interface PushRecord {
  limits: readonly (HistoryLimits | undefined)[];
  idempotencyKey?: string | undefined;
}

/** One frontend's part in a push. */
export interface PushedFrontend {
  sid: string;
  /** How many members the channels have there; a user who is in several of them counts in each. Undefined: nobody knows. */
  count: number | undefined;
}

/** Is told what becomes of a push at each frontend, once each. */
export interface ReplyListener {
  answered(sid: string, reply: FrontendReplies["push"]): void;
  /** It was sent there, and no answer was asked for. */
  sent(sid: string): void;
  /** @param error as {@link RpcTransport.request} rejects */
  failed(sid: string, error: unknown): void;
}

/** A push on its way. */
export interface SentPush<P extends PushedFrontend = PushedFrontend> {
  /** Where it went. */
  parts: readonly P[];
  /** Tells the listener what becomes of it, of what is known already at once. Called once, unless it went nowhere. */
  listen(listener: ReplyListener): void;
  /** Of a push with a record. */
  appended?: Appended | undefined;
}

/**
 * Reads the member sets, picks the live frontends and sends each its request, all in one round trip. It stands in for
 * manager, registry and transport together, so the service uses it only while all three are the ones it was made of.
 */
export interface FusedPush {
  readonly parts: Pick<Cluster, "manager" | "registry" | "transport">;
  /** The history to which it appends in the same step; a push with a record is not to be given without. */
  readonly history?: ChannelHistory | undefined;
  /** To how many channels a push may go; one to more is sent in two steps. */
  readonly maxNames: number;
  /**
   * Resolves where the push went, once it is sent.
   * @throws `GC_TIMEOUT` that is not known within `timeoutMs`, and neither is then whether it was sent
   */
  push(push: ChannelPush): Promise<SentPush>;
}

/** The parts that services and frontends of one cluster share. Each may be replaced by another implementation. */
export interface Cluster {
  manager: ChannelManager;
  registry: ServerRegistry;
  transport: RpcTransport;
  fusedPush?: FusedPush | undefined;
  /** What was pushed lately. Without, pushes with `history` or `idempotencyKey` are refused, and nobody can catch up. */
  history?: ChannelHistory | undefined;
  /** Where those clients are in their channels that do not keep it in mind themselves. Services and frontends do without. */
  subscribers?: SubscriberStore | undefined;
  /** Where the one-time tokens are by which clients show who they are. Services and frontends do without. */
  tokens?: TokenStore | undefined;
}

/** A cluster as services and frontends take it: its manager may be one that calls back. */
export interface ClusterInput extends Omit<Cluster, "manager"> {
  manager: ChannelManager | CallbackManager;
}
