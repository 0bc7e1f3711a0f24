import type { FrontendRequest } from "../../../types.js";
import type { Application } from "../../framework/application.js";
import type { GlobalChannel } from "../component.js";

/**
 * What other servers can ask of a frontend by RPC. Every server makes one, also those that only call it.
 *
 * Exported because a module that has only a default export becomes that in CommonJS, and Pinus looks for `default`.
 */
export class GlobalChannelRemote {
  readonly name = "globalChannelRemote";
  readonly #app: Application;

  constructor(app: Application) {
    this.#app = app;
  }

  handle(request: FrontendRequest): Promise<unknown> {
    const component = this.#app.components.__globalChannel__ as GlobalChannel | undefined;
    if (!component) return Promise.reject(new Error("this server does not use globalChannel"));
    return component.handle(request);
  }
}

export default function createRemote(app: Application): GlobalChannelRemote {
  return new GlobalChannelRemote(app);
}
