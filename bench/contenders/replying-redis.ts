import { Redis } from "ioredis";

/** A client that keeps the answer to its last command, for those who send one and do not wait. */
export class ReplyingRedis extends Redis {
  lastReply: Promise<unknown> = Promise.resolve();

  override sendCommand(...args: Parameters<Redis["sendCommand"]>): unknown {
    const reply = super.sendCommand(...args);
    this.lastReply = reply as Promise<unknown>;
    return reply;
  }
}
