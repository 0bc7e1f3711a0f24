/** This library's producer and broker, on a Redis; and what a bare server of Engine.IO could hand over at most. */
export const CONTENDERS = ["globalchannel", "raw"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export const ROOM = "room";
export const SECRET = "a secret of the benches";

/** How many messages go to a client at once, as the broker does it by default. */
export const MAX_BATCH = 50;
