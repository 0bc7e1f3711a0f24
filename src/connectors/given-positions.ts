import { checkInteger, checkName, describe, invalid } from "../arguments.js";
import { decodeHad } from "./had-elsewhere.js";
import type { GivenPositions } from "./session-history.js";

/** How many channels a client may name. */
const MAX_CHANNELS = 1000;

/**
 * Where a client says that it was, in each of its channels: `{"<channel>": ["<epoch>", <offset>]}`, maybe with a third part, as it was told.
 * @throws `GC_INVALID_ARGUMENT` it is something else
 */
export function parsePositions(text: string): GivenPositions["positions"] {
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

function checkPosition(name: string, value: unknown) {
  const [epoch, offset, had] = Array.isArray(value) ? (value as unknown[]) : [];
  const argument = `resume[${describe(name)}]`;
  return {
    epoch: checkName(`${argument}[0]`, epoch),
    offset: checkInteger(`${argument}[1]`, offset, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    had: had === undefined ? undefined : checkHad(`${argument}[2]`, had),
  };
}

function checkHad(argument: string, value: unknown): string[] {
  const had = typeof value === "string" ? decodeHad(value) : undefined;
  if (!had) throw invalid(argument, value, "ids with dots between, as they were told");
  return had;
}
