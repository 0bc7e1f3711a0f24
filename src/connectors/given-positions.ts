import { checkInteger, checkName, describe, invalid } from "../arguments.js";
import type { HistoryPosition } from "../types.js";

/** How many channels a client may name. */
const MAX_CHANNELS = 1000;

/**
 * Where a client says that it was, in each of its channels: `{"<channel>": ["<epoch>", <offset>]}`, as it was told.
 * @throws `GC_INVALID_ARGUMENT` it is something else
 */
export function parsePositions(text: string): Map<string, HistoryPosition> {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw invalid("resume", text, "JSON");
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw invalid("resume", given, 'an object, as {"room": ["4f2a", 17]}');
  }
  const entries = Object.entries(given);
  if (entries.length > MAX_CHANNELS) throw invalid("resume", given, `an object of ${MAX_CHANNELS} channels at most`);
  return new Map(entries.map(([name, value]) => [checkName("resume", name), checkPosition(name, value)]));
}

function checkPosition(name: string, value: unknown): HistoryPosition {
  const [epoch, offset] = Array.isArray(value) ? (value as unknown[]) : [];
  const argument = `resume[${describe(name)}]`;
  return {
    epoch: checkName(`${argument}[0]`, epoch),
    offset: checkInteger(`${argument}[1]`, offset, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}
