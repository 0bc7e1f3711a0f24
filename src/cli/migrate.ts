import { type Command } from "commander";
import { migrate, type MigrationReport } from "../redis/migrate.js";
import { startProgress } from "./progress.js";
import { redisOption } from "./redis-option.js";

interface MigrateArguments {
  from: string;
  redis: string;
  prefix: string;
  json?: true;
}

/** `globalchannel migrate`. Aborting `signal` ends it. */
export function addMigrateCommand(program: Command, signal: AbortSignal): void {
  program
    .command("migrate")
    .description(
      "Copies the members of a pomelo-globalchannel-plugin deployment into globalchannel, in the same Redis database. The old " +
        "servers may run meanwhile; nothing of theirs is changed. Run it again to take what has come since.",
    )
    .requiredOption("--from <prefix>", "what the old keys begin with; the plugin's default is POMELO:CHANNEL")
    .addOption(redisOption().makeOptionMandatory())
    .option("--prefix <prefix>", "what globalchannel's keys begin with", "gc")
    .option("--json", "print the report as JSON, and no progress")
    .addHelpText("after", "\nExample:\n  globalchannel migrate --from POMELO:CHANNEL --redis redis://127.0.0.1:6379")
    .action(async (given: MigrateArguments) => {
      const { json, ...options } = given;
      const progress = startProgress("Connecting to Redis", { isQuiet: json === true });
      let report: MigrationReport;
      try {
        report = await migrate({
          ...options,
          signal,
          onProgress: ({ keysSeen, members, added }) =>
            progress.say(`${count(keysSeen, "key")}, ${count(members, "member")}, ${number(added)} added`),
        });
      } finally {
        progress.end();
      }
      process.stdout.write(json ? `${JSON.stringify(report)}\n` : summary(report, given));
    });
}

function summary(
  { sets, channels, members, added, skipped, durationMs }: MigrationReport,
  { from, prefix }: MigrateArguments,
): string {
  const seconds = (durationMs / 1000).toFixed(1);
  const what = `${count(members, "member")} of ${count(channels, "channel")} (${count(sets, "member set")})`;
  const text = `${from} has ${what}: ${number(added)} added to ${prefix}, the others were there, in ${seconds} s.\n`;
  const { examples, ...kinds } = skipped;
  if (examples.length === 0) return text;
  const parts = [
    `${count(kinds.otherTypes, "key")} of other types`,
    `${count(kinds.otherKeys, "set")} without a name and a sid`,
    `${count(kinds.names, "set")} with refused names`,
    `${count(kinds.uids, "member")} with refused uids`,
  ].filter((part) => !part.startsWith("0 "));
  return `${text}Skipped: ${parts.join(", ")}, such as\n${examples.map((example) => `  ${example}\n`).join("")}`;
}

function count(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}
