import { progress } from "../support/progress.js";

interface RoundsPlan<C, S> {
  rounds: number;
  /** What to call a cell while it is measured. */
  label: (cell: C) => string;
  measure: (cell: C) => Promise<S>;
}

/** Measures cells in rounds. Every other round goes backwards, so that nobody always comes after the same one. */
export async function measureInRounds<C, S>(
  cells: readonly C[],
  { rounds, label, measure }: RoundsPlan<C, S>,
): Promise<{ cell: C; samples: S[] }[]> {
  const measured = cells.map((cell) => ({ cell, samples: [] as S[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { cell, samples } of round % 2 === 1 ? measured : measured.toReversed()) {
      progress(`${label(cell)}: round ${round}/${rounds}`);
      samples.push(await measure(cell));
    }
  }
  return measured;
}
