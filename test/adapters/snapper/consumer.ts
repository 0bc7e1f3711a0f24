// npm's consumer, unchanged, as a client of our broker.
import type { ExecutionContext } from "ava";
import Consumer from "snapper-consumer";

/** How soon it comes back when its connection is lost: by itself it waits for 10 to 60 s. */
const COME_BACK_MS = 50;

interface MessageEvent {
  data: { params: string[] };
}

/** A consumer, and the messages that have come to it. */
export interface StartedConsumer {
  consumer: Consumer;
  messages: string[];
  /** The id that the broker has given it, once it is connected. */
  id: Promise<string>;
}

/** Connects one to the broker at this port. */
export function startConsumer(t: ExecutionContext, port: number, token: string): StartedConsumer {
  const consumer = new Consumer(`ws://127.0.0.1:${port}`, { path: "/websocket", token });
  const messages: string[] = [];
  const comeBackSoon = (): void => {
    consumer.reconnectionTime = COME_BACK_MS;
  };
  const id = new Promise<string>((resolve) => {
    Object.assign(consumer, {
      onopen: () => {
        comeBackSoon();
        resolve(consumer.consumerId!);
      },
      // Connections are lost here.
      onerror: comeBackSoon,
      onmessage: ({ data }: MessageEvent) => messages.push(...data.params),
    });
  });
  consumer.connect();
  t.teardown(() => {
    // It may be about to come back, and would for ever.
    consumer.connect = () => consumer;
    consumer.close();
  });
  return { consumer, messages, id };
}
