import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { ExecutionContext } from "ava";

interface Link {
  near: Socket;
  far: Socket;
  subscribes: boolean;
  isSilent: boolean;
  /** Answers of Redis that the client has not asked for. */
  unasked: string[];
}

/** A way to Redis on which subscribers can be harmed while their connections stay open. */
export interface SubscriberProxy {
  url: string;
  /** Nothing comes through the connections of the subscribers that there are any more. */
  silenceSubscribers(): void;
  /** Ends a subscription at Redis without its subscriber's knowledge; all else goes on. Resolves how many there were. */
  unsubscribe(command: "UNSUBSCRIBE" | "PUNSUBSCRIBE", name: string): Promise<number>;
}

export async function startSubscriberProxy(t: ExecutionContext, redisPort: number): Promise<SubscriberProxy> {
  const links = new Set<Link>();
  const proxy = createServer((near) => {
    const link: Link = { near, far: connect(redisPort, "127.0.0.1"), subscribes: false, isSilent: false, unasked: [] };
    links.add(link);
    near.on("data", (data) => {
      link.subscribes ||= /\bp?subscribe\r\n/i.test(data.toString("latin1"));
      if (!link.isSilent) link.far.write(data);
    });
    link.far.on("data", (data) => {
      if (!link.isSilent) near.write(withoutUnasked(link, data));
    });
    for (const [socket, other] of [
      [near, link.far],
      [link.far, near],
    ] as const) {
      socket.on("error", () => {});
      socket.on("close", () => {
        other.destroy();
        links.delete(link);
      });
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.teardown(() => {
    proxy.close();
    for (const { near, far } of links) for (const socket of [near, far]) socket.destroy();
  });
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    silenceSubscribers: () => {
      for (const link of links) link.isSilent ||= link.subscribes;
    },
    unsubscribe: async (command, name) => {
      const subscribers = [...links].filter(({ subscribes }) => subscribes);
      for (const link of subscribers) {
        link.unasked.push(bulk(command.toLowerCase()) + bulk(name));
        link.far.write(`*2\r\n${bulk(command)}${bulk(name)}`);
      }
      while (subscribers.some(({ unasked }) => unasked.length > 0)) {
        await Promise.all(subscribers.map(({ far }) => once(far, "data")));
      }
      return subscribers.length;
    },
  };
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** A client would take the answer for that to a command of its own. */
function withoutUnasked(link: Link, data: Buffer): Buffer {
  let text = data.toString("latin1");
  link.unasked = link.unasked.filter((answer) => {
    const start = text.indexOf(answer);
    if (start < 0) return true;
    // `>3\r\n` comes before it, and `:<count>\r\n` after it.
    const end = text.indexOf("\r\n", start + answer.length) + 2;
    text = text.slice(0, start - 4) + text.slice(end);
    return false;
  });
  return Buffer.from(text, "latin1");
}
