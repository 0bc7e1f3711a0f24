import { randomUUID } from "node:crypto";
import { SseConnector } from "../../connectors/sse/connector.js";
import { GlobalChannelError } from "../../errors.js";
import { Frontend } from "../../frontend/frontend.js";
import { memory } from "../../memory.js";
import { GlobalChannelService } from "../../service/service.js";
import { checkCluster } from "../../cluster/check-cluster.js";
import type { ManagerCapabilities } from "../../types.js";
import { stopped } from "./refusals.js";
import { refused, type resolveSignalOptions } from "./options.js";

/** What signalling cannot do without: it hears of the ends of memberships, and pushes to single users. */
const NEEDED = ["versions", "presence", "events"] as const satisfies readonly (keyof ManagerCapabilities)[];

const STYPE = "signal";

/** The service, the frontend and its connector: those that were given, and those that are made, which start and stop with it. */
export class Parts {
  readonly service: GlobalChannelService;
  readonly frontend: Frontend;
  readonly connector: SseConnector;
  readonly #own: (GlobalChannelService | Frontend)[] = [];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION`, `GC_UNSUPPORTED` */
  constructor(options: ReturnType<typeof resolveSignalOptions>) {
    const cluster = options.service?.cluster ?? options.frontend?.cluster ?? options.cluster ?? memory();
    const { manager } = checkCluster("cluster", cluster);
    const missing = NEEDED.filter((capability) => !manager.capabilities?.[capability]);
    if (missing.length > 0) {
      throw new GlobalChannelError(
        "GC_UNSUPPORTED",
        `signal needs a channel manager with the capabilities ${NEEDED.join(", ")}; this one lacks ${missing.join(", ")}`,
      );
    }
    if (options.frontend && options.frontend.cluster.manager !== cluster.manager) {
      throw refused("frontend", "service and frontend are of two clusters; give them the same one");
    }
    this.service = options.service ?? this.#made(new GlobalChannelService({ cluster }));
    this.frontend =
      options.frontend ??
      this.#made(
        new Frontend({
          sid: `${STYPE}-${randomUUID()}`,
          stype: STYPE,
          cluster,
          connector: new SseConnector(options.sse),
        }),
      );
    this.connector = this.frontend.connector as SseConnector;
  }

  /**
   * Starts what was made, in its order. Called again, it is the same start, unless that has failed.
   * @throws `GC_CLOSED` after {@link stop}: what was given may still be started
   */
  async start(): Promise<void> {
    if (this.#stopping) throw stopped();
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    await this.#starting;
  }

  /** Whether the frontend is one that was made here, which closes its peers as it stops. */
  get ownsFrontend(): boolean {
    return this.#own.includes(this.frontend);
  }

  /** Stops what was made, in the opposite order; what fails is thrown when the rest is done. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #start(): Promise<void> {
    for (const part of this.#own) await part.start();
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    const failures: unknown[] = [];
    for (const part of this.#own.toReversed()) await part.stop().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  #made<P extends GlobalChannelService | Frontend>(part: P): P {
    this.#own.push(part);
    return part;
  }
}
