import type { ClientMessage, Connector, ConnectorHost } from "../../types.js";
import type { Application, ConnectorComponent, Session, SessionService } from "./application.js";

/**
 * Hands messages to clients as the framework does itself: through its connector component, so that route dictionary,
 * protobuf, custom encoding and push scheduler stay what they are. A user's sessions are those that are bound to its uid.
 */
export class FrameworkConnector implements Connector {
  readonly #app: Application;
  /** session id -> uid, as the host was told: when a session is unbound, it does not know its uid any more. */
  readonly #uids = new Map<Session["id"], string>();
  #host: ConnectorHost | undefined;

  constructor(app: Application) {
    this.#app = app;
  }

  start(host: ConnectorHost): void {
    this.#host = host;
    this.#app.event.on("bind_session", this.#bound);
    this.#app.event.on("unbind_session", this.#ended);
    this.#app.event.on("close_session", this.#ended);
  }

  /** The sessions stay open: closing them is the framework's business. */
  stop(): void {
    this.#app.event.off("bind_session", this.#bound);
    this.#app.event.off("unbind_session", this.#ended);
    this.#app.event.off("close_session", this.#ended);
    for (const uid of this.#uids.values()) this.#host?.closed(uid);
    this.#uids.clear();
  }

  async deliver(uids: ReadonlySet<string>, message: ClientMessage): Promise<string[]> {
    const sessions = this.#sessions();
    const failed: string[] = [];
    const ids: Session["id"][] = [];
    for (const uid of uids) {
      const bound = sessions.getByUid(uid);
      // Not undefined for names that every object has: `constructor`.
      if (!Array.isArray(bound) || bound.length === 0) failed.push(uid);
      else for (const { id } of bound) ids.push(id);
    }
    if (ids.length > 0) await this.#send(ids, message);
    return failed;
  }

  async deliverToAll(message: ClientMessage, except: ReadonlySet<string>): Promise<number> {
    const uids = new Set<string>();
    const ids: Session["id"][] = [];
    this.#sessions().forEachBindedSession(({ id, uid }) => {
      const user = String(uid);
      if (except.has(user)) return;
      uids.add(user);
      ids.push(id);
    });
    if (ids.length > 0) await this.#send(ids, message);
    return uids.size;
  }

  readonly #bound = ({ id, uid }: Session): void => {
    const user = String(uid);
    this.#uids.set(id, user);
    this.#host?.opened(user);
  };

  readonly #ended = ({ id }: Session): void => {
    const uid = this.#uids.get(id);
    if (uid === undefined) return;
    this.#uids.delete(id);
    this.#host?.closed(uid);
  };

  #sessions(): SessionService {
    const sessions = this.#app.get("sessionService");
    if (!sessions) throw new Error("the application has no session service yet");
    return sessions;
  }

  #send(ids: Session["id"][], { route, body }: ClientMessage): Promise<void> {
    const connector = this.#app.components.__connector__ as ConnectorComponent;
    return new Promise((resolve, reject) => {
      connector.send(null, route, JSON.parse(body), ids, { isPush: true }, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
}
