/**
 * What happened in a run: what was called, what came of it, and what everyone saw. All times are milliseconds on the monotonic
 * clock of the machine. The checks are functions of this alone.
 */
import type { JoinReason, LeaveReason } from "../../src/index.js";

/** A call that changes who is in a channel. */
export interface Call {
  name: string;
  /** The life of the backend that was called. */
  backend: string;
  start: number;
  end: number;
  /** `maybe`: it failed in a way that does not say whether it was done, and it may be done later. */
  status: "ok" | "maybe";
  /** The code of the error, where it failed. */
  code?: string | undefined;
}

/** A call that makes a user a member or takes it out. */
export interface Change extends Call {
  type: "join" | "leave";
  uid: string;
  sid: string;
  /** Whether it changed anything, where that is known. */
  changed?: boolean | undefined;
}

/** Whom a push is for. */
export type Audience = { names: readonly string[] } | { uids: readonly string[] } | { everyone: true };

/** What a backend measured of a push, and was told of it. */
export interface Outcome {
  report?: Report | undefined;
  /** The code of the error, where it failed. */
  code?: string | undefined;
  /** How long after its deadline it settled; 0 if before. */
  lateMs: number;
  /** For how much of that time the process did nothing at all: it was stopped, or busy. */
  blockedMs: number;
}

/** The numbers of a push report. */
export interface Report {
  targeted: number;
  delivered: number;
  failed: number;
  unknown: number;
  unlisted: number;
  failIds: readonly string[];
  frontends: readonly { sid: string; targeted: number; delivered: number; failed: number; unknown: number }[];
}

export interface Push {
  /** Rises with each push of the run: those of one backend are called in this order. */
  id: number;
  backend: string;
  audience: Audience;
  except: readonly string[];
  start: number;
  end: number;
  /** Undefined where the backend died first. */
  outcome?: Outcome | undefined;
  /** How often its callback was called, where the backend lived to tell. */
  callbacks?: number | undefined;
}

/** A client's connection. */
export interface Connection {
  id: number;
  uid: string;
  sid: string;
  /** The life of the frontend that it was made to. */
  frontend: string;
  /** When the client began to connect. */
  triedAt: number;
  /** When the frontend was known to have the session; undefined if it never was. */
  openAt?: number | undefined;
  /** When the client began to close it, or saw it closed. */
  closingAt?: number | undefined;
  /** When it was gone. */
  closedAt?: number | undefined;
  /** The pushes that came, in order. */
  received: { push: number; at: number }[];
}

/** One life of a process of the cluster: `front-1#2` is the second frontend with the sid `front-1`. */
export interface Life {
  id: string;
  role: "frontend" | "backend";
  /** The sid of a frontend. */
  sid?: string | undefined;
  startAt: number;
  /** When it had joined the cluster. */
  joinedAt?: number | undefined;
  /** When its end began. */
  endAt?: number | undefined;
  /** When it was gone. */
  goneAt?: number | undefined;
  /** How it ended; `replaced`: killed after another one had taken its place; `by itself` must not be. */
  end?: "killed" | "stopped" | "replaced" | "by itself" | undefined;
  /** What it has written, where it ended by itself. */
  output?: string | undefined;
  /** How far its clock was off. */
  clockMs: number;
  heapBytes?: number | undefined;
}

/** Something that was done to a process or to Redis, and undone. */
export interface Fault {
  kind: string;
  /** A life, `redis`, or `machine`: nothing ran for a while. */
  target: string;
  from: number;
  to: number;
}

/** A membership event, as one backend told it. */
export interface Seen {
  backend: string;
  at: number;
  type: "join" | "leave";
  name: string;
  uid: string;
  sid: string;
  reason: JoinReason | LeaveReason;
}

/** The beginning or the end of a channel, as one backend told it. */
export interface Edge {
  backend: string;
  at: number;
  type: "channel-created" | "channel-emptied";
  name: string;
}

/** The members of a channel as one backend read them, each as `uid@sid`. */
export interface Reading {
  backend: string;
  name: string;
  start: number;
  end: number;
  members: readonly string[];
}

/** What was left when all was healed and had had its time. */
export interface Final {
  /** Before and after a push to each channel, which takes out who has no session. */
  before: Reading[];
  after: Reading[];
  /** The pushes between the two. */
  pushes: Push[];
  /** Where each user has sessions, as one backend says: uid -> sids. */
  sids: Map<string, readonly string[]>;
  /** What is in Redis of frontends that are not alive. */
  leftovers: string[];
}

export interface History {
  startAt: number;
  endAt: number;
  leaseMs: number;
  graceMs: number;
  changes: Change[];
  /** Calls of `destroyChannel`. */
  destructions: Call[];
  pushes: Push[];
  connections: Connection[];
  lives: Life[];
  faults: Fault[];
  seen: Seen[];
  edges: Edge[];
  readings: Reading[];
  final: Final;
}

/** What a check has found. */
export interface Violation {
  /** The number and name of the invariant. */
  invariant: Invariant;
  message: string;
  /** What it is about: the history is shortened to that. */
  about: { push?: number; name?: string; uid?: string; sid?: string; life?: string };
}

export type Invariant = "1 reports" | "2 deliveries" | "3 order" | "4 membership" | "5 events" | "6 processes";
