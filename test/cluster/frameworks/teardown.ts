/** Who ends what was started: AVA's `t`, or a benchmark's own. The last one given is to be called first. */
export interface Teardown {
  teardown(end: () => unknown): void;
}
