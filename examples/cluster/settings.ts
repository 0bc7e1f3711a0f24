/** The type of the demo's frontends: pushes say for which type they are. */
export const STYPE = "connector";

/** How long after its last sign of life a frontend counts as dead: the default. */
export const LEASE_MS = 3000;

/** How long after that its members are removed for good. The default is 10 s, which would be a long demo. */
export const GRACE_MS = 1000;
