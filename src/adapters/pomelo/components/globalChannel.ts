import type { Application } from "../../framework/application.js";
import { GlobalChannelComponent } from "../../framework/component.js";
import type { GlobalChannelPluginOptions } from "../../framework/options.js";
import { setNoDelay } from "../rpc-no-delay.js";

/** Makes the component. Pomelo would register it under the function's name, so that this one has none. */
function createComponent(app: Application, options: GlobalChannelPluginOptions): GlobalChannelComponent {
  return new GlobalChannelComponent(app, options, { setNoDelay });
}

export default Object.defineProperty(createComponent, "name", { value: "" });
