import { type Api, NodeProcess } from "../../test/support/process.js";
import type { Scope } from "./scope.js";

const COMPILE_EARLY = new URL("compile-early.ts", import.meta.url);

/** Starts a TypeScript file as a process that ends with `scope`, also where it never gets ready. */
export async function startChild<A extends Api>(scope: Scope, file: URL, config?: object): Promise<NodeProcess<A>> {
  const args = config === undefined ? [] : [JSON.stringify(config)];
  const child = new NodeProcess<A>(file, { args, imports: [COMPILE_EARLY] });
  scope.defer(() => child.kill());
  await child.ready;
  return child;
}
