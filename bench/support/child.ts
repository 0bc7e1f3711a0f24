import { type Api, NodeProcess } from "../../test/support/process.js";
import type { Scope } from "./scope.js";

/** Starts a TypeScript file as a process that ends with `scope`, also where it never gets ready. */
export async function startChild<A extends Api>(scope: Scope, file: URL, config?: object): Promise<NodeProcess<A>> {
  const child = new NodeProcess<A>(file, config === undefined ? {} : { args: [JSON.stringify(config)] });
  scope.defer(() => child.kill());
  await child.ready;
  return child;
}
