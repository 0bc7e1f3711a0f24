import { join } from "node:path";
import type { FrameworkComponent } from "../framework/component.js";
import { GlobalChannel } from "./component.js";

export type { GlobalChannelPluginOptions } from "../framework/options.js";
export { GlobalChannel } from "./component.js";

/** A plugin as Pinus takes it: `IPlugin`, for any version of Pinus. */
interface Plugin {
  name: string;
  components: (new (app: unknown, options?: never) => FrameworkComponent)[];
  /** Empty: Pinus does not tell event classes which application they are for, so that the component listens itself. */
  events: never[];
  remoterPath: string;
}

export const name = "globalChannel";
export const components: Plugin["components"] = [GlobalChannel];
export const events: Plugin["events"] = [];

/** Pinus loads every file of this folder with `require`: it is the one of CommonJS in both formats of this package. */
export const remoterPath: string = join(import.meta.dirname, "../../cjs/pinus/remoters");

/** The plugin: `app.use(globalChannel, options)`. The module itself is one, too: `app.use(require("globalchannel/pinus"), options)`. */
const globalChannel: Plugin = { name, components, events, remoterPath };
export default globalChannel;
