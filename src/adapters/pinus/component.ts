import { invalid } from "../../arguments.js";
import type { FrontendRequest } from "../../types.js";
import type { Application } from "../framework/application.js";
import { GlobalChannelComponent } from "../framework/component.js";
import type { GlobalChannelPluginOptions } from "../framework/options.js";
import { PluginRemoteTransport } from "./remote-transport.js";

/** Pinus gives its plugins the options whole; Pomelo's are in an object of the component's name. Both are taken. */
type PinusPluginOptions = GlobalChannelPluginOptions | { globalChannel: GlobalChannelPluginOptions };

const REQUESTS: readonly FrontendRequest["type"][] = ["push", "disconnect", "channels"];

/** The component that Pinus makes of the plugin. */
export class GlobalChannel extends GlobalChannelComponent {
  readonly #remote: PluginRemoteTransport | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(app: unknown, options: PinusPluginOptions = {}) {
    let remote: PluginRemoteTransport | undefined;
    super(app as Application, "globalChannel" in options ? options.globalChannel : options, {
      remoteTransport: (rpc) => (remote = new PluginRemoteTransport(rpc)),
    });
    this.#remote = remote;
  }

  /** Answers what another server asks of this frontend through the remote of this plugin. */
  async handle(request: FrontendRequest): Promise<unknown> {
    if (!REQUESTS.includes(request?.type)) throw invalid("request", request, "a FrontendRequest");
    if (!this.#remote) throw new Error("this server does not use globalChannel's RPC");
    return this.#remote.handle(request);
  }
}
