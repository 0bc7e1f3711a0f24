import { join } from "node:path";

export type { GlobalChannelPluginOptions } from "../framework/options.js";

/** Pomelo loads every file of this folder as a component, and picks its options by the file's name: `globalChannel`. */
export const components: string = join(import.meta.dirname, "components");
