#!/usr/bin/env node
// Each command is in a file of its own, which adds it to the program.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { isGlobalChannelError } from "../errors.js";
import { addBrokerCommand } from "./broker.js";
import { Interruption } from "./interruption.js";
import { addMigrateCommand } from "./migrate.js";
import { redact } from "./redact.js";

const FAILED = 1;
const WRONG_USAGE = 2;

// The same place from here and from dist/esm.
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const interruption = new Interruption();
interruption.listen();

const program = new Command("globalchannel")
  .description("Looks after a globalchannel cluster.")
  .version(manifest.version)
  .helpCommand(false)
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(redact(text)) })
  .showHelpAfterError("(--help says what there is)")
  .addHelpText("afterAll", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted");

addBrokerCommand(program, interruption);
addMigrateCommand(program, interruption.signal);

try {
  await program.parseAsync();
} catch (error) {
  if (!interruption.signal.aborted) process.exitCode = fail(error);
}

/** Says what is wrong. Returns the exit code. */
function fail(error: unknown): number {
  // What commander refuses, it has told of; help and version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  process.stderr.write(redact(`error: ${error instanceof Error ? error.message : String(error)}\n`));
  return isGlobalChannelError(error) && error.code === "GC_INVALID_OPTION" ? WRONG_USAGE : FAILED;
}
