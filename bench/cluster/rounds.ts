import { progress } from "../support/progress.js";
import { type Cell, type CellResult, type Sample, summarize } from "./sample.js";

interface RoundsPlan<C extends Cell> {
  rounds: number;
  /** What to call a cell while it is measured. */
  label: (cell: C) => string;
  measure: (cell: C) => Promise<Sample>;
}

/** Measures cells in rounds. Every other round goes backwards, so that nobody always comes after the same one. */
export async function measureInRounds<C extends Cell>(
  cells: readonly C[],
  { rounds, label, measure }: RoundsPlan<C>,
): Promise<{ cell: C; samples: Sample[]; result: C & CellResult }[]> {
  const measured = cells.map((cell) => ({ cell, samples: [] as Sample[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { cell, samples } of round % 2 === 1 ? measured : measured.toReversed()) {
      progress(`${label(cell)}, ${cell.window} outstanding: round ${round}/${rounds}`);
      samples.push(await measure(cell));
    }
  }
  return measured.map(({ cell, samples }) => ({ cell, samples, result: summarize(cell, samples) }));
}
