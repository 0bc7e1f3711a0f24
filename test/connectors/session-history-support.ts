// For the tests of SessionHistory: a history in memory, and a session on it that notes what its client is told.
import { type ClientPosition, type GivenPositions, SessionHistory } from "../../src/connectors/session-history.js";
import { MemoryChannelHistory } from "../../src/histories/memory.js";
import { readAfter } from "../../src/read-after.js";
import type { ClientMessage, HistoryPosition, HistoryReader, Recovered } from "../../src/types.js";

const LIMITS = { size: 5, ttlMs: 60_000 };
/** How many messages are read at once. */
const PAGE = 3;

/** What is pushed, and read for sessions. Its reads may be replaced. */
export class Pushes implements Omit<HistoryReader, "recoverRest"> {
  readonly history = new MemoryChannelHistory({ channels: { "*": LIMITS } });
  #count = 0;

  /** Keeps a message, and returns it as frontends get it. Its body is its number, from 1 on. */
  push(...names: string[]): ClientMessage {
    const body = String(++this.#count);
    const id = names.length > 1 ? `id-${body}` : undefined;
    const entry = { route: "chat", body, stype: "connector", except: [], names, id };
    const { positions } = this.history.append({ entry, limits: names.map(() => LIMITS) });
    return { route: "chat", body, positions, id, ...(id !== undefined && { names }) };
  }

  /** Where a channel's history ends. */
  end(name: string): HistoryPosition {
    return this.history.positions([name])[0]!;
  }

  keeps(): boolean {
    return true;
  }

  async recover(_uid: string, name: string, since: HistoryPosition): Promise<Recovered> {
    const { entries, position, hasMore, gap } = await readAfter(this.history, name, since, PAGE);
    return {
      position: position ?? this.end(name),
      messages: entries.map(({ route, body, offset, id, names }) => ({
        route,
        body,
        positions: [{ name, epoch: since.epoch, offset }],
        id,
        names,
      })),
      hasMore,
      hasGap: gap !== undefined,
    };
  }

  async settledPosition(name: string): Promise<HistoryPosition | undefined> {
    return this.end(name);
  }
}

type Given = GivenPositions["positions"] extends ReadonlyMap<string, infer P> ? P : never;

/** A session of a client that is where it says in its channels. */
export class TestSession {
  readonly history: SessionHistory;
  /** `<body> <positions>` of messages, `<body> late` of one that is written without, `at <position>`, `gap <position>`; of positions the epoch is left out, and with `+<id>`
   * come messages that the client has out of other channels. */
  readonly told: string[] = [];
  readonly errors: unknown[] = [];

  constructor(
    reader: Omit<HistoryReader, "recoverRest">,
    positions: Iterable<readonly [name: string, position: Given]> = [],
    more: Pick<GivenPositions, "isIncomplete"> = {},
  ) {
    this.history = new SessionHistory(
      "ann",
      reader,
      {
        write: (message, elsewhere) => this.#note({ ...message, positions: [...message.positions, ...elsewhere] }),
        tell: (position, hasGap) => void this.told.push(`${hasGap ? "gap" : "at"} ${textOf([position])}`),
        drained: async () => {},
        error: (error) => void this.errors.push(error),
      },
      { positions: new Map(positions), ...more },
    );
  }

  /** A live message comes. */
  deliver(message: ClientMessage): void {
    const admission = this.history.admit(message);
    if (admission === "write") this.#note(message);
    else if (admission === "late") this.told.push(`${message.body} late`);
  }

  #note({ body, positions = [] }: ClientMessage): void {
    this.told.push(`${body} ${textOf(positions)}`);
  }
}

function textOf(positions: readonly ClientPosition[]): string {
  return positions.map(({ name, offset, had = [] }) => [`${name}.${offset}`, ...had].join("+")).join(" ");
}
