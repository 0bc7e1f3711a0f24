import { styleText } from "node:util";

const colours = process.stdout.isTTY && !process.env["NO_COLOR"];
let steps = 0;

/** The heading of the next step. */
export function printStep(title: string): void {
  const heading = `${++steps}. ${title}`;
  console.log(`\n${colours ? styleText("bold", heading) : heading}`);
}

/** A line with a label in front. */
export function printLine(label: string, ...values: unknown[]): void {
  const start = `   ${label.padEnd(12)}`;
  console.log(colours ? styleText("dim", start) : start, ...values);
}
