import diagnostics from "node:diagnostics_channel";
import type { ExecutionContext } from "ava";
import type { DiagnosticsMessages } from "../../src/index.js";

/** What is told on a diagnostics channel from now on to the end of the test, as far as it is wanted. */
export function diagnosticsOf<N extends keyof DiagnosticsMessages>(
  t: ExecutionContext,
  name: N,
  isWanted: (message: DiagnosticsMessages[N]) => boolean = () => true,
): DiagnosticsMessages[N][] {
  const messages: DiagnosticsMessages[N][] = [];
  const note = (message: unknown): void => {
    if (isWanted(message as DiagnosticsMessages[N])) messages.push(message as DiagnosticsMessages[N]);
  };
  diagnostics.subscribe(name, note);
  t.teardown(() => diagnostics.unsubscribe(name, note));
  return messages;
}
