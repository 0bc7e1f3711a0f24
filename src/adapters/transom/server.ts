import { invalid } from "../../arguments.js";
import { missingMethod } from "../../options.js";

/** What is used of a Transom server: its registry, which is a `pocket-registry`. */
export interface TransomServer {
  registry: {
    get(key: string): unknown;
    has(key: string): boolean;
    set(key: string, value: unknown): void;
    remove?(key: string): void;
  };
}

/** @throws `GC_INVALID_ARGUMENT` unless it is a server with a registry */
export function checkServer(value: unknown): TransomServer {
  const registry = (value as Partial<TransomServer> | null | undefined)?.registry;
  const missing = missingMethod(registry, ["get", "has", "set"]);
  if (missing) throw invalid("server", value, `a Transom server; its registry has no method ${missing}`);
  return value as TransomServer;
}
