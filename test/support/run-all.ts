// `npm test`: runs everything that CI checks, also where something fails, and ends with the line `N passed, N failed`. It
// counts the tests as AVA does, and one failure for each script that fails otherwise.
import { spawn } from "node:child_process";
import { once } from "node:events";

const SCRIPTS = [
  ["lint"],
  ["types"],
  ["build"],
  ["unit", "--tap"],
  ["check:package", "--tap"],
  ["chaos", "--seed", "1", "--seconds", "60"],
] as const;

const totals = { passed: 0, failed: 0 };

for (const [script, ...args] of SCRIPTS) {
  const { passed, failed, code } = await run(script, args);
  totals.passed += passed;
  totals.failed += failed === 0 && code !== 0 ? 1 : failed;
  if (code !== 0) {
    console.log(`\n${script} failed`);
    process.exitCode = 1;
  }
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);

async function run(script: string, args: readonly string[]) {
  console.log(`\nnpm run ${script}`);
  const child = spawn("npm", ["run", "--silent", script, "--", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { passed: count(/^# pass (\d+)$/m, output), failed: count(/^# fail (\d+)$/m, output), code };
}

function count(pattern: RegExp, output: string): number {
  return Number(pattern.exec(output)?.[1] ?? 0);
}
