let end: Promise<void> | undefined;

/**
 * Resolves when what has come from the network by now is handled. What all consumers do then they do in the same tick, and what they tell
 * Redis goes there in one piece.
 */
export function endOfTurn(): Promise<void> {
  return (end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = undefined;
      resolve();
    });
  }));
}
