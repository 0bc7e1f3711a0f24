// `npm run chaos -- --seed N --seconds S`: a real cluster to which everything happens that can, and what it promises then.
import { writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";

import { checkCounted } from "./checks/index.js";
import { planFaults } from "./plan.js";
import { runChaos } from "./run.js";
import { DEFAULTS, FAULTS, type FaultKind, type Settings } from "./settings.js";
import { showViolations, summarize } from "./show.js";

const EPILOGUE = `
Kinds of faults: ${FAULTS.join(", ")}.

The same seed plans the same faults and the same operations at the same times. What comes of them is a matter of real time, so
that two runs of one seed differ.`;

function count(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`must be a whole number from ${least} on`);
    return value;
  };
}

function kinds(text: string): FaultKind[] {
  return text.split(",").map((kind) => {
    if (!(FAULTS as readonly string[]).includes(kind)) throw new InvalidArgumentError(`there is no fault ${kind}`);
    return kind as FaultKind;
  });
}

const program = new Command("npm run chaos --")
  .description("Kills, stops, cuts, delays and empties a real cluster under load, and checks what it promises.")
  .option("--seed <n>", "what happens when", count(0), Date.now() % 1_000_000)
  .option("--seconds <n>", "how long; starting, healing and looking take up to 25 s more", count(1), DEFAULTS.seconds)
  .option("--frontends <n>", "frontend processes", count(1), DEFAULTS.frontends)
  .option("--backends <n>", "backend processes", count(1), DEFAULTS.backends)
  .option("--users <n>", "users, some of whom have two devices", count(1), DEFAULTS.users)
  .option("--only <kinds>", "only these faults, with commas between", kinds, DEFAULTS.only)
  .option("--save <file>", "writes the whole history there, as JSON")
  .addHelpText("after", EPILOGUE)
  .parse();

const { save, ...given } = program.opts<Pick<Settings, "seed" | "seconds"> & { save?: string }>();
const settings: Settings = { ...DEFAULTS, ...given };
console.log(`chaos: seed ${settings.seed}, ${settings.seconds} s`);
try {
  const history = await runChaos(settings);
  if (save !== undefined) await writeFile(save, JSON.stringify(history));
  const { violations, checked } = checkCounted(history);
  if (violations.length > 0) {
    console.log(showViolations(violations, history, planFaults(settings)));
    process.exitCode = 1;
  }
  console.log(
    `\nchaos: seed ${settings.seed} ${violations.length === 0 ? "passed" : "FAILED"}: ${summarize(history, checked)}`,
  );
} catch (error) {
  console.error(`chaos: seed ${settings.seed} could not be run to its end:`, error);
  process.exitCode = 1;
}
