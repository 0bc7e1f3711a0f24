import { chunks } from "../../batches.js";
import { COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
import { escape, type Keys } from "../../redis/keys.js";
import { byPartition } from "../../redis/layout.js";
import { readHolder } from "../../redis/leases.js";
import { Turns } from "../../turns.js";
import type { FrontendId } from "../../types.js";
import type { SessionChange } from "./pending-sessions.js";
import { scanSet } from "./scan-set.js";
import * as scripts from "./session-scripts.js";
import type { Sessions } from "./sessions.js";

/**
 * In a cluster, where a user is in another partition than the frontend. Who has a session is in the set of the frontend's users
 * before it is said of the user: so who looks there for what a dead frontend has left finds all of it, though a process has ended
 * halfway.
 */
export class ClusterSessions implements Sessions {
  readonly #connection: RedisConnection;
  /** The changes at a frontend come one after the other, as each takes several steps. */
  readonly #turns = new Turns<string>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  change(frontend: FrontendId, changes: readonly SessionChange[]): Promise<readonly (Error | undefined)[]> {
    return this.#turns.take(frontend.sid, () => this.#changeNow(frontend, changes));
  }

  async #changeNow(
    { sid, incarnation }: FrontendId,
    changes: readonly SessionChange[],
  ): Promise<(Error | undefined)[]> {
    const failures = new Map<SessionChange, Error>();
    /** As of the last change of each user. */
    const has = new Map<string, boolean>();
    const connects = changes.filter(({ type }) => type === "connect");
    const mayConnect = await this.#prepare({ sid, incarnation }, connects).catch((error: Error) => {
      // Who disconnects is not to suffer from that.
      for (const change of connects) failures.set(change, error);
      return false;
    });
    if (!mayConnect) for (const { uid } of connects) has.set(uid, false);
    const wanted = mayConnect ? changes : changes.filter(({ type }) => type === "disconnect");
    await this.#inEachPartition(wanted, async (keys, some) => {
      try {
        const digits = await this.#connection.write<string>(
          keys,
          scripts.changeUsers,
          some.map(({ uid }) => keys.user(uid)),
          [
            escape(sid),
            encodeURIComponent(incarnation),
            some.map(({ type }) => (type === "connect" ? "+" : "-")).join(""),
          ],
        );
        for (const [index, { uid }] of some.entries()) has.set(uid, digits[index] === "1");
      } catch (error) {
        for (const change of some) failures.set(change, error as Error);
      }
    });
    await this.#note(sid, has);
    return changes.map((change) => failures.get(change));
  }

  /**
   * Notes users at the frontend who are to have sessions there. Resolves whether they may: no other incarnation holds the sid. One that
   * begins to within the next round trip is not seen.
   */
  async #prepare({ sid, incarnation }: FrontendId, connects: readonly SessionChange[]): Promise<boolean> {
    if (connects.length === 0) return true;
    const uids = connects.map(({ uid }) => uid);
    const usersAt = this.#connection.layout.of(sid).usersAt(sid);
    const [holder] = await Promise.all([
      readHolder(this.#connection, sid, incarnation),
      this.#connection.command((client) => client.sadd(usersAt, ...uids)),
    ]);
    return holder === undefined || holder === incarnation;
  }

  async forget({ sid, incarnation }: FrontendId): Promise<void> {
    const usersAt = this.#connection.layout.of(sid).usersAt(sid);
    const uids = await scanSet(this.#connection, usersAt);
    for (const some of chunks(uids, COSTLY_BATCH)) {
      const holder = await readHolder(this.#connection, sid, incarnation);
      const gone = new Map<string, boolean>();
      await this.#inEachPartition(
        some.map((uid) => ({ uid })),
        async (keys, users) => {
          const digits = await this.#connection.write<string>(
            keys,
            scripts.forgetUsers,
            users.map(({ uid }) => keys.user(uid)),
            [escape(sid), holder === undefined ? "" : encodeURIComponent(holder)],
          );
          for (const [index, { uid }] of users.entries()) if (digits[index] === "0") gone.set(uid, false);
        },
      );
      await this.#note(sid, gone);
    }
  }

  /**
   * Notes at the frontend which users were found to have a session there. Others, who connect to its next incarnation or evict the
   * last one, may have changed that since, and noted it before this: so it is looked again, until it is as it was noted.
   */
  async #note(sid: string, found: ReadonlyMap<string, boolean>): Promise<void> {
    const { layout } = this.#connection;
    const usersAt = layout.of(sid).usersAt(sid);
    for (let unsure = found; unsure.size > 0;) {
      const uids = [...unsure.keys()];
      const here = uids.filter((uid) => unsure.get(uid));
      const gone = uids.filter((uid) => !unsure.get(uid));
      const [added] = await Promise.all([
        here.length > 0 ? this.#connection.command((client) => client.sadd(usersAt, ...here)) : 0,
        gone.length > 0 ? this.#connection.command((client) => client.srem(usersAt, ...gone)) : 0,
      ]);
      // Who was noted all the time is so still.
      const changed = added > 0 ? uids : gone;
      const seen = await Promise.all(
        changed.map((uid) =>
          this.#connection.command((client) => client.hexists(layout.of(uid).user(uid), escape(sid))),
        ),
      );
      const now = changed.map((uid, index): [string, boolean] => [uid, seen[index] === 1]);
      unsure = new Map(now.filter(([uid, isHere]) => isHere !== unsure.get(uid)));
    }
  }

  async #inEachPartition<T extends { uid: string }>(
    items: readonly T[],
    act: (keys: Keys, some: readonly T[]) => Promise<void>,
  ): Promise<void> {
    const groups = byPartition(this.#connection.layout, items, ({ uid }) => uid);
    await Promise.all([...groups].map(([keys, some]) => act(keys, some)));
  }
}
