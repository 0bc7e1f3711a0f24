import type { Profiler } from "node:inspector";
import { Session } from "node:inspector/promises";
import { findSourceMap } from "node:module";

export type Profile = Profiler.Profile;

/** Between two looks at what is running. */
const INTERVAL_MICROSECONDS = 500;

const session = new Session();

/** In a process that is measured: what it offers its parent so that it can be profiled. */
export const profiler = {
  async startProfile(): Promise<void> {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_MICROSECONDS });
    await session.post("Profiler.start");
  },
  async stopProfile(): Promise<Profile> {
    const { profile } = await session.post("Profiler.stop");
    await session.post("Profiler.disable");
    session.disconnect();
    return { ...profile, nodes: profile.nodes.map((node) => ({ ...node, callFrame: inSource(node.callFrame) })) };
  },
};

/** Where a function is in its TypeScript: what runs has few lines. V8 counts lines and columns from 0. */
function inSource(frame: Profiler.ProfileNode["callFrame"]): Profiler.ProfileNode["callFrame"] {
  const entry = findSourceMap(frame.url)?.findEntry(frame.lineNumber, frame.columnNumber);
  if (!entry || !("originalLine" in entry)) return frame;
  return { ...frame, lineNumber: entry.originalLine, columnNumber: entry.originalColumn };
}
