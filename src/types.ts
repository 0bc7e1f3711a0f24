/**
 * The contracts of globalchannel, in the terms that code, docs and errors share:
 *
 * - channel: a named set of members; any non-empty string is a valid name
 * - member: a pair (`uid`, `sid`): this user, connected at this frontend
 * - frontend: a server process that holds client connections; id `sid`, type `stype` (e.g. `connector`)
 * - backend: a server process that manages channels and pushes; it holds no client connections
 * - session: one client connection of a `uid` at a frontend; a `uid` may have several, at several frontends
 * - route, msg: the name and the body of a pushed message
 * - incarnation: one life of a frontend; a restarted `connector-1` is a new incarnation of the same `sid`
 * - history: the last messages of a channel, each at an offset in an epoch: a position
 * - member set: the members of one channel at one frontend; every change raises its version
 */

export type * from "./types/awaitable.js";
export type * from "./types/membership.js";
export type * from "./types/member-set-change.js";
export type * from "./types/channel-manager.js";
export type * from "./types/server-registry.js";
export type * from "./types/rpc-transport.js";
export type * from "./types/connector.js";
export type * from "./types/channel-history.js";
export type * from "./types/subscriber-store.js";
export type * from "./types/token-store.js";
export type * from "./types/cluster.js";
