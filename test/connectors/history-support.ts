// For the tests of sessions that go on where they were: whole frontends with real sockets, and clients that keep in mind where they are.
import { once } from "node:events";
import type { ExecutionContext } from "ava";
import { type ClientOptions, WebSocket } from "ws";
import { WebSocketConnector, type WebSocketConnectorOptions } from "../../src/connectors/websocket/connector.js";
import {
  type Cluster,
  Frontend,
  type FrontendOptions,
  GlobalChannelService,
  type HistoryPosition,
} from "../../src/index.js";
import { replacing } from "../support/stage.js";
import { uidOfQuery } from "./websocket-support.js";

export const KEPT = { size: 1000, ttlMs: 60_000 };

/** A service that leaves members where they are, though they have gone. */
export async function startService(t: ExecutionContext, cluster: Cluster): Promise<GlobalChannelService> {
  const service = new GlobalChannelService({ cluster, autoLeave: false });
  t.teardown(() => service.stop(true));
  await service.start();
  return service;
}

/** Where a client says that it is, as it is told. */
export type Positions = Readonly<Record<string, readonly [epoch: string, offset: number]>>;

interface Frame {
  route?: string;
  msg?: unknown;
  positions?: Positions;
  gap?: string[];
}

/** Keeps in mind where it is, as clients are to. */
export class ResumingClient {
  readonly frames: Frame[] = [];
  readonly positions: Record<string, readonly [epoch: string, offset: number]> = {};
  readonly gaps: string[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(readonly ws: WebSocket) {
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      this.frames.push(frame);
      Object.assign(this.positions, frame.positions);
      this.gaps.push(...(frame.gap ?? []));
    });
    // `close` follows, which is what tests look at.
    ws.on("error", () => {});
    this.closed = new Promise((resolve) =>
      ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() })),
    );
  }

  get msgs(): unknown[] {
    return this.frames.filter(({ route }) => route !== undefined).map(({ msg }) => msg);
  }

  async close(): Promise<void> {
    this.ws.close();
    await this.closed;
  }
}

/** A frontend whose users stay in their channels when they go. */
export async function startWebSocketFrontend(
  t: ExecutionContext,
  cluster: Cluster,
  sid: string,
  options: Partial<WebSocketConnectorOptions> & Pick<FrontendOptions, "autoLeave"> = {},
) {
  const { autoLeave = false, ...ofConnector } = options;
  const place = ofConnector.server ? {} : { port: 0, host: "127.0.0.1" };
  const connector = new WebSocketConnector({ ...place, authenticate: uidOfQuery, ...ofConnector });
  // What takes long here is to lose nobody their lease.
  const frontend = new Frontend({ sid, stype: "connector", cluster, connector, autoLeave, leaseMs: 30_000 });
  t.teardown(() => frontend.stop().catch(() => {}));
  await frontend.start();
  const { port } = connector.address();

  /** Resolves when the handshake is done. @param resume as text; undefined: it is one that keeps nothing in mind */
  async function connectRaw(uid: string, resume?: string, clientOptions: ClientOptions = {}): Promise<ResumingClient> {
    const query = new URLSearchParams({ uid, ...(resume !== undefined && { resume }) });
    const client = new ResumingClient(new WebSocket(`ws://127.0.0.1:${port}/?${query.toString()}`, clientOptions));
    t.teardown(() => client.ws.terminate());
    await once(client.ws, "open");
    return client;
  }

  return {
    frontend,
    connector,
    connectRaw,
    /** A client that was there. */
    async connect(uid: string, positions: Positions = {}, clientOptions?: ClientOptions): Promise<ResumingClient> {
      const client = await connectRaw(uid, JSON.stringify(positions), clientOptions);
      Object.assign(client.positions, { ...positions, ...client.positions });
      return client;
    },
  };
}

/** A cluster whose reads of histories wait while `hold` says so, or fail. */
export function gated(cluster: Cluster) {
  const history = cluster.history!;
  let gate: Promise<void> | undefined;
  let failure: Error | undefined;
  let reads = 0;
  return {
    cluster: {
      ...cluster,
      history: replacing(history, {
        async read(name, range) {
          reads++;
          await gate;
          if (failure) throw failure;
          return history.read(name, range);
        },
      }),
    },
    /** From now on reads wait, until what it returns is called. */
    hold(): () => void {
      let open!: () => void;
      gate = new Promise((resolve) => (open = resolve));
      return () => {
        gate = undefined;
        open();
      };
    },
    fail(error: Error | undefined): void {
      failure = error;
    },
    get reads() {
      return reads;
    },
  };
}

/** As clients write it down. */
export function tuple({ epoch, offset }: HistoryPosition): [string, number] {
  return [epoch, offset];
}
