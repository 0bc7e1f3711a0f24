import test, { type ExecutionContext } from "ava";
import type { BrowserContext, Page } from "playwright-core";
import type { PushReport } from "../../../src/index.js";
import { until } from "../../connectors/websocket-support.js";
import { browserTest, useBrowser } from "../../support/browser.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";
import { Visit } from "../../support/visit.js";
import { startApplication } from "./web-application.js";

// The Transom plugin with the page of an application in a real browser.

const ANN = { _id: "ann" };
const BOB = { _id: "bob" };
type User = typeof ANN;

const { openContext } = useBrowser();
let store: RedisServer;

test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store.stop());

/** What a page may be opened with: see `page/page.js`. */
type PageParameters = Partial<Record<"transports" | "by" | "token", string>>;

/** A page of the application, and the tokens that it gets. */
class Visitor extends Visit {
  readonly #tokens: Promise<{ token: string }>[] = [];

  constructor(page: Page) {
    super(page);
    page.on("response", (response) => {
      if (response.ok() && response.url().endsWith("/user/sockettoken")) this.#tokens.push(response.json());
    });
  }

  override async open(url: string, parameters: PageParameters): Promise<void> {
    await super.open(`${url}/`, parameters);
  }

  /** The tokens that it was given. */
  async tokens(): Promise<string[]> {
    return (await Promise.all(this.#tokens)).map(({ token }) => token);
  }
}

async function open(context: BrowserContext, url: string, parameters: PageParameters = {}): Promise<Visitor> {
  const opened = new Visitor(await context.newPage());
  await opened.open(url, parameters);
  return opened;
}

/** The page of a user who has logged in, in a browser of their own, connected. */
async function visit(t: ExecutionContext, url: string, { _id: name }: User, parameters: PageParameters = {}) {
  const context = await openContext(t);
  const page = await context.newPage();
  await page.goto(`${url}/login`);
  await page.locator("input").fill(name);
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.locator("button").click();
  t.is((await answered).status(), 303);
  await page.waitForLoadState();
  const opened = new Visitor(page);
  await opened.open(url, parameters);
  t.deepEqual(await opened.shown(1), ["connect"]);
  return opened;
}

function counts({ targeted, delivered, failed }: PushReport): number[] {
  return [targeted, delivered, failed];
}

for (const transports of ["websocket", "polling", "polling,websocket"]) {
  browserTest(`over ${transports} › a user's page shows what another process emits, in its order`, async (t) => {
    const { url, client, emitter, connections } = await startApplication(t, store.url);
    const ann = await visit(t, url, ANN, { transports });
    const names = transports.split(",");
    t.deepEqual(connections, names.slice(0, 1));
    const [socket] = client.io!.sockets.sockets.values();
    await until(() => socket!.conn.transport.name === names.at(-1));

    t.deepEqual(counts(await emitter.emitToUsers(ANN, "news", { text: "1" })), [1, 1, 0]);
    t.deepEqual(counts(await emitter.emitToEveryone("news", { text: "2" })), [1, 1, 0]);
    t.deepEqual(counts(await emitter.emitToUsers([BOB, ANN], "news", { text: "3" })), [2, 1, 1]);
    await client.emitToUsers(ANN, "news", { text: "4, of its own process" });
    await emitter.emitToUsers(ANN, "olds", { text: "for which it does not listen" });
    await emitter.emitToEveryone("news", { text: "5" });

    t.deepEqual(await ann.shown(6), ["connect", "1", "2", "3", "4, of its own process", "5"]);
    t.deepEqual(ann.problems, []);
  });
}

browserTest("markup, emoji and right-to-left text come as they are, under a strict policy", async (t) => {
  const { url, emitter } = await startApplication(t, store.url);
  const ann = await visit(t, url, ANN);
  const texts = [
    "<script>document.title = 'script'</script>",
    `<img src="x" onerror="document.title = 'image'">&lt;b&gt;`,
    "👩‍👩‍👧‍👦 🏳️‍🌈 \u{1F600}",
    "שלום ‏مرحبا‎ \u202Eabc\u202C",
    "line\nbreak \u2028 \u0000 \\ \"quoted\" 'once'",
    "</li></ol><li>",
  ];

  for (const text of texts) await emitter.emitToUsers(ANN, "news", { text });

  t.deepEqual(await ann.shown(1 + texts.length), ["connect", ...texts]);
  t.is(await ann.page.locator("#log *:not(li)").count(), 0);
  t.is(await ann.page.title(), "Messages");
  t.deepEqual(ann.problems, []);
  // The policy is there: it refuses what such a script would be.
  await t.throwsAsync(ann.page.addScriptTag({ content: "document.title = 'script'" }));
  t.regex(ann.problems.join("\n"), /TrustedScript/);
  t.is(await ann.page.title(), "Messages");
});

for (const by of ["query", "auth"]) {
  browserTest(`by ${by} › who is not logged in gets no token, and no connection`, async (t) => {
    const { url, client, emitter, connections } = await startApplication(t, store.url);
    const nobody = await open(await openContext(t), url, { by });

    t.deepEqual(await nobody.shown(1), ["no token: 401"]);
    await until(() => client.io!.engine.clientsCount === 0);
    t.deepEqual(connections, []);
    t.deepEqual(counts(await emitter.emitToEveryone("news", { text: "1" })), [0, 0, 0]);
    const ann = await visit(t, url, ANN, { by });
    await emitter.emitToEveryone("news", { text: "2" });
    t.deepEqual(await ann.shown(2), ["connect", "2"]);
    t.deepEqual(await nobody.shown(1), ["no token: 401"]);
  });
}

browserTest("a token that a page has used is no good for another page", async (t) => {
  const { url, emitter, connections } = await startApplication(t, store.url);
  const ann = await visit(t, url, ANN);
  const [token] = await ann.tokens();

  const again = await open(ann.page.context(), url, { token: token! });
  const elsewhere = await open(await openContext(t), url, { token: token! });

  t.deepEqual(await again.shown(1), ["connect_error: INVALID_TOKEN"]);
  t.deepEqual(await elsewhere.shown(1), ["connect_error: INVALID_TOKEN"]);
  t.is(connections.length, 1);
  t.deepEqual(counts(await emitter.emitToEveryone("news", { text: "1" })), [1, 1, 0]);
  t.deepEqual(await ann.shown(2), ["connect", "1"]);
});

for (const transports of ["websocket", "polling"]) {
  for (const close of [false, true]) {
    const title = `over ${transports} › disconnectUsers${close ? " with close" : ""} ends a user's pages for good`;
    browserTest(title, async (t) => {
      const { url, client, emitter } = await startApplication(t, store.url);
      const ann = await visit(t, url, ANN, { transports, by: "auth" });
      const bob = await visit(t, url, BOB, { transports, by: "auth" });

      t.deepEqual(counts(await emitter.disconnectUsers(ANN, close)), [1, 1, 0]);

      t.deepEqual(await ann.shown(2), ["connect", "disconnect: io server disconnect"]);
      t.deepEqual(counts(await emitter.emitToUsers([ANN, BOB], "news", { text: "1" })), [2, 1, 1]);
      t.deepEqual(await bob.shown(2), ["connect", "1"]);
      t.is(client.connector!.stats.sessions, 1);
    });
  }

  browserTest(`over ${transports} › a page whose connection was cut comes back with a new token`, async (t) => {
    const { url, emitter, cut } = await startApplication(t, store.url);
    const ann = await visit(t, url, ANN, { transports, by: "auth" });
    await emitter.emitToUsers(ANN, "news", { text: "before" });
    t.is((await ann.shown(2)).at(-1), "before");

    cut();
    const [, , lost, back] = await ann.shown(4);
    t.regex(lost!, /^disconnect: transport (close|error), comes back$/);
    t.is(back, "connect");
    t.deepEqual(counts(await emitter.emitToUsers(ANN, "news", { text: "after" })), [1, 1, 0]);

    t.deepEqual((await ann.shown(5)).slice(3), ["connect", "after"]);
    t.is(new Set(await ann.tokens()).size, 2);
  });

  browserTest(`over ${transports} › a page with one token does not come back`, async (t) => {
    const { url, emitter, connections, cut } = await startApplication(t, store.url);
    const ann = await visit(t, url, ANN, { transports });

    cut();

    const [, lost, refused] = await ann.shown(3);
    t.regex(lost!, /^disconnect: transport (close|error), comes back$/);
    t.is(refused, "connect_error: INVALID_TOKEN");
    t.is(connections.length, 1);
    t.deepEqual(counts(await emitter.emitToUsers(ANN, "news", { text: "after" })), [1, 0, 1]);
  });
}

browserTest("users in browsers of their own get what is theirs, in each of their pages", async (t) => {
  const { url, emitter } = await startApplication(t, store.url);
  const ann = await visit(t, url, ANN, { transports: "websocket" });
  const annToo = await open(ann.page.context(), url, { transports: "polling", by: "auth" });
  t.deepEqual(await annToo.shown(1), ["connect"]);
  const bob = await visit(t, url, BOB);

  await emitter.emitToUsers(ANN, "news", { text: "for Ann" });
  await emitter.emitToUsers(BOB, "news", { text: "for Bob" });
  await emitter.emitToUsers([ANN, BOB], "news", { text: "for both" });
  t.deepEqual(counts(await emitter.emitToEveryone("news", { text: "for all" })), [2, 2, 0]);

  for (const page of [ann, annToo]) t.deepEqual(await page.shown(4), ["connect", "for Ann", "for both", "for all"]);
  t.deepEqual(await bob.shown(4), ["connect", "for Bob", "for both", "for all"]);
});
