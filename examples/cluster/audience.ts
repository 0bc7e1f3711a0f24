import { Client, type Message } from "./client.js";
import { expectEqual } from "./expect.js";

/** The users of the demo, each connected by WebSocket. */
export class Audience {
  readonly #clients = new Map<string, Client>();

  get uids(): string[] {
    return [...this.#clients.keys()].toSorted();
  }

  /** Connects a user to the frontend at `url`. */
  async connect(uid: string, url: string): Promise<void> {
    this.#clients.set(uid, await Client.connect(uid, url));
  }

  /**
   * Who has received `message`, once everyone has received `last`, which was sent to all after it: who has it not by then
   * never gets it. @throws if anyone has received anything else since the last call, or the message twice
   */
  async receiversOf(message: Message, last: Message): Promise<string[]> {
    const receivers: string[] = [];
    for (const uid of this.uids) {
      const received = await this.#clients.get(uid)!.receivedBefore(last);
      if (received.length === 0) continue;
      expectEqual(`what ${uid} received`, received, [message]);
      receivers.push(uid);
    }
    return receivers;
  }

  /** Waits until these users are cut off. @throws if they have received anything since {@link receiversOf} */
  async lose(uids: readonly string[]): Promise<void> {
    for (const uid of uids) {
      expectEqual(`what ${uid} received`, await this.#clients.get(uid)!.receivedBeforeClose(), []);
      this.#clients.delete(uid);
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}
