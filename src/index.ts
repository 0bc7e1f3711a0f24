export { CallbackChannelManager, type CallbackChannelManagerOptions } from "./managers/callback.js";
export { ERROR_CODES, GlobalChannelError, isGlobalChannelError, type ErrorCode, type ErrorDetails } from "./errors.js";
export {
  DIAGNOSTICS_CHANNELS,
  type DiagnosticsMessages,
  type ErrorMessage,
  type EvictedMessage,
  type GapMessage,
  type LagMessage,
  type LeaseMessage,
  type PushSettledMessage,
  type SlowClientMessage,
} from "./diagnostics.js";
export { Frontend, type FrontendOptions, type MessageHandler } from "./frontend/frontend.js";
export type { ChannelHistoryOptions, HistoryPatterns } from "./history-limits.js";
export { MemoryChannelHistory } from "./histories/memory.js";
export { MemoryChannelManager } from "./managers/memory.js";
export { memory, type MemoryClusterOptions } from "./memory.js";
export type { HistoryGap } from "./read-after.js";
export { MemoryServerRegistry } from "./registries/memory.js";
export type { Callback } from "./service/callback.js";
export type { HistoryMessage, HistoryOptions, HistoryResult } from "./service/history-queries.js";
export type { MemberPage, PageOptions } from "./service/membership-queries.js";
export type { MembershipInput, Sid, Uid } from "./service/membership-input.js";
export type { PushOptions } from "./service/push-options.js";
export type { FrontendReport, PushReport } from "./service/push-report.js";
export { GlobalChannelService } from "./service/service.js";
export type { ServiceEvents } from "./service/service-events.js";
export type { GlobalChannelServiceOptions } from "./service/service-options.js";
export { MemorySubscriberStore } from "./subscribers/memory.js";
export { InProcessTransport } from "./transports/in-process.js";
export type * from "./types.js";
