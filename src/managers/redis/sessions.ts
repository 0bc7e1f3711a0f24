import { chunks } from "../../batches.js";
import { COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
import { escape } from "../../redis/keys.js";
import { replyError } from "../../redis/store-error.js";
import type { FrontendId } from "../../types.js";
import { ClusterSessions } from "./cluster-sessions.js";
import type { SessionChange } from "./pending-sessions.js";
import { scanSet } from "./scan-set.js";
import * as scripts from "./session-scripts.js";

/** Keeps which users have sessions at which frontends. */
export interface Sessions {
  /** Resolves for each change why it failed, if it has. */
  change(frontend: FrontendId, changes: readonly SessionChange[]): Promise<readonly (Error | undefined)[]>;
  /** Forgets all at a frontend, except those of the incarnation that is alive there. */
  forget(frontend: FrontendId): Promise<void>;
}

export function createSessions(connection: RedisConnection): Sessions {
  return connection.isClustered ? new ClusterSessions(connection) : new ServerSessions(connection);
}

/** On one Redis: what concerns a frontend is done in one step. */
class ServerSessions implements Sessions {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async change(
    { sid, incarnation }: FrontendId,
    changes: readonly SessionChange[],
  ): Promise<readonly (Error | undefined)[]> {
    const keys = this.#connection.layout.of(sid);
    const failures = await this.#connection.run<string[]>(
      scripts.changeSessions,
      [keys.usersAt(sid), keys.servers, ...changes.map(({ uid }) => keys.user(uid))],
      [
        escape(sid),
        encodeURIComponent(incarnation),
        ...changes.map(({ type, uid }) => (type === "connect" ? "+" : "-") + uid),
      ],
    );
    return failures.map((failure) => (failure === "" ? undefined : replyError(failure)));
  }

  async forget({ sid, incarnation }: FrontendId): Promise<void> {
    const keys = this.#connection.layout.of(sid);
    for (const uids of chunks(await scanSet(this.#connection, keys.usersAt(sid)), COSTLY_BATCH)) {
      await this.#connection.run(
        scripts.forgetSessions,
        [keys.usersAt(sid), keys.servers, ...uids.map((uid) => keys.user(uid))],
        [escape(sid), encodeURIComponent(incarnation), ...uids],
      );
    }
  }
}
