// What the bench adds to a server of the application: it runs before the plugin is used.
import type { Application } from "../../test/cluster/frameworks/framework.js";
import type { PluginService } from "../../test/cluster/frameworks/plugin-service.js";
import { profiler } from "../support/profiler.js";
import { add, type Adds } from "./adds.js";
import { watchServerUsage } from "./server-usage.js";

/** Methods that the service has here besides its own: services are what the harness can call. */
export const USAGE = "benchUsage";
export const ADD = "benchAdd";

/** Leaves the options as they are. */
export default function setUp(options: object, app: Application): object {
  const usage = watchServerUsage();
  const { port: redis } = options as { port: number };
  const set = app.set as (...args: unknown[]) => unknown;
  app.set = (setting: string, value: unknown, ...rest: unknown[]) => {
    if (setting === "globalChannelService") {
      const service = value as PluginService;
      service[USAGE] = () => {
        const rpc = new Set(Object.values(app.getServers()).map(({ port }) => port as number));
        return usage({ redis, rpc });
      };
      // So that it can be profiled.
      Object.assign(service, profiler);
      service[ADD] = (adds) => add(service, adds as Adds);
    }
    return set.call(app, setting, value, ...rest);
  };
  return options;
}
