import { findOrAptInstall, versionOf, which, type Log } from "./programs.js";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

export interface FoundChromium {
  /** The path of the program. */
  binary: string;
  /** What it is, for people: `Chromium 156.0.8078.108 built on Debian GNU/Linux 12 (/usr/bin/chromium)`. */
  description: string;
}

/**
 * Finds a Chromium or Chrome: the one at `CHROMIUM_PATH` if that is set, otherwise one on PATH; undefined if it is not there or
 * does not run. Installs nothing, so that any number of test processes may call it at once.
 */
export async function findChromium(): Promise<FoundChromium | undefined> {
  const chosen = process.env["CHROMIUM_PATH"];
  const binaries = chosen ? [chosen] : await Promise.all(PROGRAMS.map((program) => which(program)));
  for (const binary of binaries) {
    const version = binary && (await versionOf(binary));
    if (version) return { binary, description: `${version} (${binary})` };
  }
  return undefined;
}

/** {@link findChromium}; if there is none on PATH, apt-get installs one on Debian as root. May take minutes. */
export function installChromium(log: Log): Promise<FoundChromium | undefined> {
  // Who has chosen one wants no other.
  return process.env["CHROMIUM_PATH"] ? findChromium() : findOrAptInstall(log, findChromium, "chromium");
}

/** What to tell people where {@link findChromium} finds none. */
export function noChromium(): string {
  const chosen = process.env["CHROMIUM_PATH"];
  const why = chosen ? `CHROMIUM_PATH=${chosen} is no browser that runs` : "there is no Chromium or Chrome on PATH";
  return (
    `Browser tests are SKIPPED: ${why}. Install one (\`apt-get install chromium\` on Debian), or set ` +
    "CHROMIUM_PATH to the path of its program."
  );
}
