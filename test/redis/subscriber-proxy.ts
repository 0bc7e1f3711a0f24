import type { ExecutionContext } from "ava";
import { TcpProxy, type Link } from "../support/tcp-proxy.js";

/** A way to Redis on which subscribers can be harmed while their connections stay open. */
export interface SubscriberProxy {
  url: string;
  /** Nothing comes through the connections of the subscribers that there are any more. */
  silenceSubscribers(): void;
  /** Ends a subscription at Redis without its subscriber's knowledge; all else goes on. Resolves how many there were. */
  unsubscribe(command: "UNSUBSCRIBE" | "PUNSUBSCRIBE", name: string): Promise<number>;
}

/** An answer of Redis that the client has not asked for. */
interface Unasked {
  text: string;
  swallowed: () => void;
}

export async function startSubscriberProxy(t: ExecutionContext, redisPort: number): Promise<SubscriberProxy> {
  const subscribers = new Map<Link, Unasked[]>();
  const proxy = await TcpProxy.start(redisPort, {
    onRequest(link, data) {
      if (!subscribers.has(link) && /\bp?subscribe\r\n/i.test(data.toString("latin1"))) {
        subscribers.set(link, []);
        void link.closed.then(() => subscribers.delete(link));
      }
    },
    onAnswer: (link, data) => withoutUnasked(subscribers.get(link) ?? [], data),
  });
  t.teardown(() => proxy.stop());
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    silenceSubscribers: () => {
      for (const link of subscribers.keys()) link.hold();
    },
    unsubscribe: async (command, name) => {
      const text = bulk(command.toLowerCase()) + bulk(name);
      const answers = Array.from(subscribers, ([link, unasked]) => {
        link.inject(`*2\r\n${bulk(command)}${bulk(name)}`);
        return new Promise<void>((resolve) => unasked.push({ text, swallowed: resolve }));
      });
      await Promise.all(answers);
      return answers.length;
    },
  };
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** A client would take the answer for that to a command of its own. */
function withoutUnasked(unasked: Unasked[], data: Buffer): Buffer {
  let text = data.toString("latin1");
  for (const answer of unasked.splice(0)) {
    const start = text.indexOf(answer.text);
    if (start < 0) {
      unasked.push(answer);
      continue;
    }
    // `>3\r\n` comes before it, and `:<count>\r\n` after it.
    const end = text.indexOf("\r\n", start + answer.text.length) + 2;
    text = text.slice(0, start - 4) + text.slice(end);
    answer.swallowed();
  }
  return Buffer.from(text, "latin1");
}
