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
export { MemoryChannelManager } from "./managers/memory.js";
export { memory } from "./memory.js";
export { MemoryServerRegistry } from "./registries/memory.js";
export type { Callback } from "./service/callback.js";
export type { MemberPage } from "./service/membership-queries.js";
export type { MembershipInput, Sid, Uid } from "./service/membership-input.js";
export type { PushOptions } from "./service/push-options.js";
export type { FrontendReport, PushReport } from "./service/push-report.js";
export { GlobalChannelService } from "./service/service.js";
export type { ServiceEvents } from "./service/service-events.js";
export type { GlobalChannelServiceOptions } from "./service/service-options.js";
export { InProcessTransport } from "./transports/in-process.js";
export type * from "./types.js";
