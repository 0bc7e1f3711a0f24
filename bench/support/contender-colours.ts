// Colours that are told apart also by the colour-blind: those of Okabe and Ito, and of Paul Tol.
/** A contender has the same colour in the charts of all benches. */
const COLOURS: Readonly<Record<string, string>> = {
  globalchannel: "#D55E00",
  "globalchannel, ack: false": "#E69F00",
  "globalchannel, socket.io": "#CC79A7",
  "globalchannel, sse": "#332288",
  original: "#0072B2",
  "redis-adapter": "#117733",
  "redis-adapter, sharded": "#44AA99",
  "redis-streams-adapter": "#882255",
  Relay: "#AA4499",
  rpc: "#E69F00",
  "rpc, redis": "#E69F00",
  "rpc, rpcNoDelay: false": "#DDCC77",
  // This library's, on Redis: what it mostly is.
  redis: "#D55E00",
  memory: "#44AA99",
  mysql: "#332288",
  "redis + mysql": "#AA4499",
  "1 server": "#0072B2",
  "3 primaries": "#E69F00",
  "6 primaries": "#D55E00",
};

/** For those that are not named above. */
const OTHERS = ["#56B4E9", "#999933", "#CC6677", "#6699CC", "#661100", "#009E73"] as const;

const LIMIT = "#BBBBBB";

export function colourOf(contender: string): string {
  return isLimit(contender) ? LIMIT : (COLOURS[contender] ?? OTHERS[hash(contender) % OTHERS.length]!);
}

/** Whether it is no contender, but what could be reached at most. */
export function isLimit(contender: string): boolean {
  return contender.startsWith("raw");
}

/** Whether it is what all others are compared with. */
export function isEmphasised(contender: string): boolean {
  return contender.startsWith("globalchannel");
}

function hash(text: string): number {
  return Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) % 65_521, 7);
}
