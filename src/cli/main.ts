#!/usr/bin/env node
// Each command is in a file of its own, which adds it to the program.
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { Command, CommanderError } from "commander";
import { isGlobalChannelError } from "../errors.js";
import { addMigrateCommand } from "./migrate.js";
import { redact } from "./redact.js";

const FAILED = 1;
const WRONG_USAGE = 2;
/** How long a Redis that does not answer may delay the end after a signal, in milliseconds. */
const PATIENCE_MS = 2000;

// The same place from here and from dist/esm.
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const stop = new AbortController();
// Not `once`: what restores the cursor would end the process at once if nobody else listened.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupt(signal));

const program = new Command("globalchannel")
  .description("Looks after a globalchannel cluster.")
  .version(manifest.version)
  .helpCommand(false)
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(redact(text)) })
  .showHelpAfterError("(--help says what there is)")
  .addHelpText("afterAll", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted");

addMigrateCommand(program, stop.signal);

try {
  await program.parseAsync();
} catch (error) {
  if (!stop.signal.aborted) process.exitCode = fail(error);
}

/** Says what is wrong. Returns the exit code. */
function fail(error: unknown): number {
  // What commander refuses, it has told of; help and version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  process.stderr.write(redact(`error: ${error instanceof Error ? error.message : String(error)}\n`));
  return isGlobalChannelError(error) && error.code === "GC_INVALID_OPTION" ? WRONG_USAGE : FAILED;
}

/** Lets the command end what is under way; the second time, or where that takes long, it ends without that. */
function interrupt(signal: "SIGINT" | "SIGTERM"): void {
  process.exitCode = 128 + constants.signals[signal];
  if (stop.signal.aborted) process.exit();
  stop.abort();
  setTimeout(() => process.exit(), PATIENCE_MS).unref();
}
