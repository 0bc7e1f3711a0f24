import ora from "ora";

/** A line on stderr that says how far something is. */
export interface Progress {
  say(text: string): void;
  /** Takes the line away. */
  end(): void;
}

/** Shows progress where stderr is a terminal, unless it `isQuiet`; elsewhere it writes nothing at all. */
export function startProgress(text: string, { isQuiet }: { isQuiet: boolean }): Progress {
  // A terminal may say that it is 0 columns wide (serial lines, some containers): ora would never end counting its lines.
  const isTerminal = process.stderr.isTTY && process.stderr.columns > 0;
  if (isQuiet || !isTerminal) return { say: () => {}, end: () => {} };
  // Raw mode (`discardStdin`) would turn Ctrl-C into a key.
  const spinner = ora({ text, discardStdin: false }).start();
  return {
    say: (next) => {
      spinner.text = next;
    },
    end: () => spinner.stop(),
  };
}
