/** The type of all frontends of the suite. */
export const STYPE = "connector";

/** Every kind of fault; `clock` is not scheduled: some processes are started with it. */
export const FAULTS = [
  "kill-frontend",
  "stop-frontend",
  "replace-frontend",
  "roll-frontend",
  "cut",
  "delay",
  "hold",
  "half-open",
  "vanish",
  "refuse",
  "kill-backend",
  "stop-backend",
  "flush",
  "kill-redis",
  "stop-redis",
  "kill-clients",
  "clock",
] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface Settings {
  seed: number;
  seconds: number;
  frontends: number;
  backends: number;
  users: number;
  only: readonly FaultKind[];
  channels: number;
  opsPerSecond: number;
  timeoutMs: number;
  leaseMs: number;
  graceMs: number;
  reapIntervalMs: number;
  /** How long all is left alone, after lease and grace, before the end is looked at. */
  settleMs: number;
  /** Modules that change what the frontends and backends do, to prove that the checks find it. */
  sabotage: readonly URL[];
}

export const DEFAULTS: Settings = {
  seed: 1,
  seconds: 60,
  frontends: 3,
  backends: 3,
  users: 36,
  only: FAULTS,
  channels: 8,
  opsPerSecond: 50,
  timeoutMs: 1500,
  leaseMs: 1500,
  graceMs: 2000,
  reapIntervalMs: 1000,
  settleMs: 5000,
  sabotage: [],
};
