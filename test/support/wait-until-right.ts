import { setTimeout as sleep } from "node:timers/promises";

const PERIOD_MS = 50;

/** Asks what is wrong until nothing is; when the time is over, rejects with what still is. A question may fail, too. */
export async function waitUntilRight(askWhatIsWrong: () => Promise<string | undefined>, timeoutMs: number) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const wrong = await askWhatIsWrong().catch((error: unknown) => String(error));
    if (wrong === undefined) return;
    if (performance.now() > deadline) throw new Error(`After ${timeoutMs / 1000} s still: ${wrong}`);
    await sleep(PERIOD_MS);
  }
}
