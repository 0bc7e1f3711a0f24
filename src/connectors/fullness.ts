/**
 * Whether a client's queue is too full because of the client. What was written in this turn of the event loop says nothing of it: that
 * has not been offered to it yet.
 */
export class Fullness {
  #full: "just now" | "still" | undefined;

  /** To be told before each message. Returns whether the queue was too full when this turn began, and has been since. */
  update(isFull: boolean): boolean {
    if (!isFull) {
      this.#full = undefined;
    } else if (this.#full === undefined) {
      this.#full = "just now";
      setImmediate(() => {
        if (this.#full) this.#full = "still";
      });
    }
    return this.#full === "still";
  }
}
