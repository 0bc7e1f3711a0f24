// `npm run bench` lists the benches, `npm run bench -- <name>` runs one.
import { Command } from "commander";
import { channels } from "./channels.js";
import { failures } from "./failures.js";
import { fanout } from "./fanout.js";
import { latency } from "./latency.js";
import { managers } from "./managers.js";
import { members } from "./members.js";
import { pomelo } from "./pomelo.js";
import { redisCluster } from "./redis-cluster.js";
import { scale } from "./scale.js";
import { snapper } from "./snapper.js";
import { sockets } from "./sockets.js";
import { type Bench, runBench } from "./support/bench.js";
import { drawAgain } from "./support/draw.js";
import { endProgress } from "./support/progress.js";
import { wasInterrupted } from "./support/scope.js";

const benches: readonly Bench[] = [
  ...[fanout, latency, channels, scale, sockets],
  ...[snapper, members, redisCluster, pomelo, managers, failures],
];

interface Given {
  quick?: boolean;
  part?: string[];
  profile?: boolean;
  draw?: boolean;
  json?: string;
}

const FLAGS = `
Options of every bench:
  --quick           only what the promises are about, in about a minute
  --part <part...>  only some of it
  --profile         profiles what is measured, and prints where the time goes
  --draw            measures nothing: draws the results that are written down again
  --json <file>     where the results go
  --help            its parts, and what --quick leaves out of it

A whole run writes bench/results/<bench>.json and .svg and its place in bench/README.md; one with --quick, --part or
--profile writes bench/results/<bench>.partial.json and .svg. A promise that is missed makes it exit with 1.`;

const program = new Command("npm run bench --")
  .description("Measures globalchannel. Each bench answers one question; all that it starts ends with it.")
  .helpCommand(false)
  .usage("<bench> [options]")
  .commandsGroup("Benches:")
  .configureHelp({ subcommandTerm: (command) => command.name() })
  .addHelpText("after", FLAGS);

for (const bench of benches) {
  const parts = Object.keys(bench.parts);
  program
    .command(bench.name)
    .description(bench.question)
    .option("--quick", bench.quick)
    .option("--part <part...>", `only some of it: ${parts.join(", ")}`)
    .option("--profile", "profile what is measured, into bench/results/profiles, and print where the time goes")
    .option("--draw", "measure nothing: only draw the results that are written down again")
    .option("--json <file>", "where the results go, and their picture beside them (default: in bench/results)")
    .action(async (given: Given, command: Command) => {
      const unknown = given.part?.find((part) => !parts.includes(part));
      if (unknown !== undefined) command.error(`${bench.name} has no part ${unknown}; it has ${parts.join(", ")}`);
      if (given.draw) await drawAgain(bench, given.json);
      else if (!(await runBench(bench, { commandLine: commandLine(), ...given }))) process.exitCode = 1;
    });
}

try {
  if (process.argv.length > 2) await program.parseAsync();
  else program.outputHelp();
} catch (error) {
  endProgress();
  // What fails because everything is being ended says nothing new.
  if (!wasInterrupted()) console.error(error);
  process.exitCode = 1;
}

function commandLine(): string {
  return ["npm run bench --", ...process.argv.slice(2)].join(" ");
}
