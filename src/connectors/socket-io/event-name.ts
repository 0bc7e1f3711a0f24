import { checkName, invalid } from "../../arguments.js";

/** What Socket.IO keeps for itself. @see https://socket.io/docs/v4/emit-cheatsheet/#reserved-events */
const RESERVED: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);

/** {@link checkName} for what is emitted. @throws `GC_INVALID_ARGUMENT` also for an event that Socket.IO keeps for itself */
export function checkEventName(argument: string, value: unknown): string {
  const name = checkName(argument, value);
  if (RESERVED.has(name)) throw invalid(argument, value, "no event that Socket.IO keeps for itself");
  return name;
}
