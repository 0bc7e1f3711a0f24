/** What the plugin uses of a Pomelo or Pinus application: the two have the same shape. */
export interface Application {
  readonly components: {
    __connector__?: ConnectorComponent;
    __globalChannel__?: object;
    [name: string]: unknown;
  };
  readonly event: ApplicationEvents;
  /** Calls a remote method; only there when all components have started. The callback's arguments are the remote's. */
  rpcInvoke?(sid: string, message: RpcMessage, done: (error: unknown, result?: unknown) => void): void;
  get(setting: "sessionService"): SessionService | undefined;
  set(setting: string, value: unknown, attach?: boolean): unknown;
  /** Arguments that look like a number come as one. */
  getServerId(): string | number;
  getServerType(): string;
  getCurServer(): ServerInfo;
  /** The servers that the master has told of. */
  getServers(): Record<string, ServerInfo>;
  isFrontend(server?: ServerInfo): boolean;
  isMaster(): boolean;
}

/** What every server of the application knows of a server. */
interface ServerInfo {
  id: string | number;
  serverType: string;
  host?: string;
  port?: number;
  /** What this plugin adds, where that server uses it. */
  globalChannel?: { incarnation: string };
}

export interface RpcMessage {
  namespace: "sys" | "user";
  service: string;
  method: string;
  args: unknown[];
}

interface ApplicationEvents {
  on(event: SessionEvent, listener: (session: Session) => void): unknown;
  on(event: "remove_servers", listener: (ids: (string | number)[]) => void): unknown;
  on(event: "add_servers" | "replace_servers", listener: () => void): unknown;
  off(event: SessionEvent, listener: (session: Session) => void): unknown;
  off(event: "remove_servers", listener: (ids: (string | number)[]) => void): unknown;
  off(event: "add_servers" | "replace_servers", listener: () => void): unknown;
}

type SessionEvent = "bind_session" | "unbind_session" | "close_session";

/** One client connection; its uid is what the application has bound it to. */
export interface Session {
  id: number | string;
  uid?: string | number | null;
}

export interface SessionService {
  getByUid(uid: string): Session[] | undefined;
  forEachBindedSession(visit: (session: Session) => void): void;
}

export interface ConnectorComponent {
  /** Encodes a message, once, and hands it to the push scheduler for these sessions. */
  send(
    requestId: null,
    route: string,
    msg: unknown,
    sessionIds: Session["id"][],
    options: { isPush: true },
    done: (error?: Error | null) => void,
  ): void;
}
