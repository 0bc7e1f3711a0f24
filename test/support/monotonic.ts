/** Milliseconds on the monotonic clock of the system: the same one for all processes of a machine. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
