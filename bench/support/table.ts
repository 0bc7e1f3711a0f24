import Table from "cli-table3";

/** A table of Markdown under a title, so that it reads the same in a terminal and in a README. */
export function markdownTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    style: { head: [], border: [], compact: true },
    chars: {
      ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
      ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
      ...{ mid: "", "mid-mid": "", "left-mid": "", "right-mid": "" },
      ...{ left: "|", right: "|", middle: "|" },
    },
  });
  table.push(
    [...head],
    head.map(() => "---"),
    ...rows.map((row) => [...row]),
  );
  return `${title}\n\n${table.toString()}\n`;
}
