/** Says what is going on, on one line, where somebody may be looking. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text.slice(0, process.stderr.columns - 1)}`);
}

/** Takes the line away. */
export function endProgress(): void {
  progress("");
}
