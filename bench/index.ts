// `npm run bench` lists the benches, `npm run bench -- <name>` runs one.
import { Command } from "commander";
import { fanout } from "./fanout.js";
import { managers } from "./managers.js";
import { pomelo } from "./pomelo.js";
import { type Bench, runBench } from "./support/bench.js";
import { wasInterrupted } from "./support/scope.js";

const benches: readonly Bench[] = [fanout, pomelo, managers];

const program = new Command("npm run bench --")
  .description("Measures globalchannel. Each bench answers one question; all that it starts ends with it.")
  .helpCommand(false);

for (const bench of benches) {
  const parts = Object.keys(bench.parts);
  program
    .command(bench.name)
    .description(bench.question)
    .option("--quick", bench.quick)
    .option("--part <part...>", `only some of it: ${parts.join(", ")}`)
    .option("--json <file>", "where the results go (default: bench/results)")
    .action(async (given: { quick?: boolean; part?: string[]; json?: string }, command: Command) => {
      const unknown = given.part?.find((part) => !parts.includes(part));
      if (unknown !== undefined) command.error(`${bench.name} has no part ${unknown}; it has ${parts.join(", ")}`);
      if (!(await runBench(bench, { commandLine: commandLine(), ...given }))) process.exitCode = 1;
    });
}

try {
  if (process.argv.length > 2) await program.parseAsync();
  else program.outputHelp();
} catch (error) {
  // What fails because everything is being ended says nothing new.
  if (!wasInterrupted()) console.error(error);
  process.exitCode = 1;
}

function commandLine(): string {
  return ["npm run bench --", ...process.argv.slice(2)].join(" ");
}
