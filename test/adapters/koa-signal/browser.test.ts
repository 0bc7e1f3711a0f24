import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { memory } from "../../../src/index.js";
import { redis } from "../../../src/redis/index.js";
import { until } from "../../connectors/websocket-support.js";
import { browserTest, useBrowser } from "../../support/browser.js";
import { startRedis, type RedisServer } from "../../support/redis-server.js";
import { Visit } from "../../support/visit.js";
import { startApplication, type WebApplication } from "./web-application.js";

// The middleware for signalling with the pages of an application in a real browser.

const { openContext } = useBrowser();
let store: RedisServer;

test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store.stop());

/** What a page may be opened with: see `page/page.js`. */
type PageParameters = Partial<Record<"swarm" | "by" | "offer" | "server", string>>;

interface Peer {
  id: string;
  cid: string;
  token: string;
}

/** A page of the application, which is a peer, in a browser of its own. */
class PeerPage extends Visit {
  /** Who it is, as its line `connect` says, which is the second one. */
  async self(): Promise<Peer> {
    const line = (await this.shown(2))[1] ?? "nothing";
    return JSON.parse(line.replace(/^connect /, "")) as Peer;
  }

  /** Sends a signal to all, or to one. */
  async send(data: unknown, cid?: string): Promise<void> {
    await this.#submit("#signal", JSON.stringify({ data, cid }));
  }

  /** Says something to the pages that it has a connection to. */
  async say(text: string): Promise<void> {
    await this.#submit("#message", text);
  }

  async #submit(form: string, text: string): Promise<void> {
    await this.page.locator(`${form} textarea`).fill(text);
    await this.page.locator(`${form} button`).click();
  }
}

async function open(t: ExecutionContext, { url }: WebApplication, parameters: PageParameters = {}): Promise<PeerPage> {
  const context = await openContext(t);
  const opened = new PeerPage(await context.newPage());
  await opened.open(`${url}/index.html`, parameters);
  return opened;
}

/** Somebody who joins with the browser's own `EventSource`. */
async function join(t: ExecutionContext, application: WebApplication, { id }: Peer): Promise<PeerPage> {
  return open(t, application, { swarm: id, by: "EventSource" });
}

/** Where the first page is, and where the second. */
const SETUPS: Record<string, (t: ExecutionContext) => Promise<[WebApplication, WebApplication]>> = {
  "in one process": async (t) => {
    const application = await startApplication(t, { sse: { retryMs: 50 } });
    return [application, application];
  },
  "at two processes": async (t) => {
    const prefix = randomUUID();
    const start = (page: "before" | "after") =>
      startApplication(t, { page, sse: { retryMs: 50 }, cluster: redis(store.url, { prefix }) });
    return [await start("before"), await start("after")];
  },
};

async function statusOf(url: string, init?: RequestInit): Promise<number> {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.status;
}

const GET = { headers: { Accept: "text/event-stream" } };

function post(body: unknown): RequestInit {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** What two peers tell each other of their connection, as a page shows it. */
interface Negotiation {
  from: string;
  description?: { type: string };
  candidate?: object;
}

function negotiations(lines: readonly string[]): Negotiation[] {
  return lines
    .filter((line) => line.startsWith("signal "))
    .map((line) => JSON.parse(line.slice("signal ".length)) as Negotiation);
}

for (const [setup, start] of Object.entries(SETUPS)) {
  browserTest(`${setup} › two pages find each other, and then talk without the server`, async (t) => {
    const [here, there] = await start(t);
    const one = await open(t, here, { offer: "yes" });
    const first = await one.self();
    const two = await join(t, there, first);
    const second = await two.self();

    t.deepEqual(await one.shown(1, "#talk"), ["open"]);
    t.deepEqual(await two.shown(1, "#talk"), ["open"]);
    await one.say("1");
    t.deepEqual(await two.shown(2, "#talk"), ["open", "1"]);
    await two.say("2");
    t.deepEqual(await one.shown(2, "#talk"), ["open", "2"]);

    const [opened, connected, joined, ...toOne] = await one.shown(5);
    t.deepEqual([opened, connected], ["open: 201", `connect ${JSON.stringify(first)}`]);
    t.is(joined, `join ${JSON.stringify({ id: first.id, cid: second.cid })}`);
    const [openedToo, connectedToo, ...toTwo] = await two.shown(4);
    t.deepEqual([openedToo, connectedToo], ["open", `connect ${JSON.stringify(second)}`]);
    // Each has what is for it, and not what it sent itself, as it would if that were for all.
    for (const [lines, { cid }, type] of [
      [toOne, second, "answer"],
      [toTwo, first, "offer"],
    ] as const) {
      const told = negotiations(lines);
      t.is(told.length, lines.length);
      t.true(told.every(({ from }) => from === cid));
      t.deepEqual(
        told.flatMap(({ description }) => description?.type ?? []),
        [type],
      );
      t.true(told.some(({ candidate }) => candidate));
    }
    t.deepEqual([...one.problems, ...two.problems], []);
    t.deepEqual([...here.errors, ...there.errors], []);

    await Promise.all([here.middleware.stop(), there.middleware.stop()]);
    await one.page.getByText("ended").waitFor();
    await one.say("3");
    t.deepEqual(await two.shown(3, "#talk"), ["open", "1", "3"]);
  });

  browserTest(`${setup} › when the page that has opened a swarm is closed, the swarm is no more`, async (t) => {
    const [here, there] = await start(t);
    const one = await open(t, here);
    const peer = await one.self();
    const two = await join(t, there, peer);
    const { token } = await two.self();
    const three = await open(t, there, { swarm: peer.id });
    await three.self();
    t.is(await statusOf(`${there.url}/${peer.id}`, post({ token, data: "1" })), 200);
    t.is((await three.shown(3)).at(-1), "signal 1");

    await one.page.close();

    t.deepEqual((await three.shown(4)).slice(2), ["signal 1", "ended"]);
    // It asks once more, is told that there is no such swarm, and asks no more.
    t.deepEqual((await two.shown(5)).slice(2), ["signal 1", "lost, comes back", "closed"]);
    for (const { url } of [here, there]) {
      t.is(await statusOf(`${url}/${peer.id}`, GET), 404);
      t.is(await statusOf(`${url}/${peer.id}`, post({ token, data: "2" })), 404);
    }
    await until(() => [here, there].every(({ middleware }) => middleware.connector.stats.sessions === 0));
    t.deepEqual([...here.errors, ...there.errors], []);
  });

  browserTest(
    `${setup} › markup, right-to-left text and line ends come as they are, under a strict policy`,
    async (t) => {
      const [here, there] = await start(t);
      const one = await open(t, here);
      const two = await join(t, there, await one.self());
      await two.self();
      const texts = [
        "<script>document.title = 'script'</script>",
        `<img src="x" onerror="document.title = 'image'">&lt;b&gt;`,
        "👩‍👩‍👧‍👦 🏳️‍🌈 \u{1F600}",
        "שלום ‏مرحبا‎ \u202Eabc\u202C",
        "line\nbreak\r\nand\rothers \u2028 \u2029 \u0085 \uFEFF \u0000 \\ \"quoted\" 'once'",
        "\n\nevent: connect\ndata: {}\n\n",
        "</li></ol><li>",
        "data: : x",
        "\uFEFF",
      ];

      for (const text of texts) await one.send(text);
      await one.send({ "\n__proto__": [texts] });
      await two.page.getByText("__proto__").waitFor({ state: "attached" });
      for (const text of texts) await two.send(text);

      const all = [...texts, JSON.stringify({ "\n__proto__": [texts] }), ...texts].map((text) => `signal ${text}`);
      t.deepEqual((await one.shown(3 + all.length)).slice(3), all);
      t.deepEqual((await two.shown(2 + all.length)).slice(2), all);
      for (const { page, problems } of [one, two]) {
        t.is(await page.locator("#log *:not(li)").count(), 0);
        t.is(await page.title(), "Swarm");
        t.deepEqual(problems, []);
      }
      // The policy is there: it refuses what such a script would be.
      await t.throwsAsync(two.page.addScriptTag({ content: "document.title = 'script'" }));
      t.regex(two.problems.join("\n"), /TrustedScript/);
      t.is(await two.page.title(), "Swarm");
    },
  );
}

browserTest(
  "with createdStatus 200 › the browser's EventSource opens a swarm, and keeps it over a lost connection",
  async (t) => {
    const application = await startApplication(t, { createdStatus: 200, sse: { retryMs: 50, history: {} } });
    const one = await open(t, application, { by: "EventSource" });
    const peer = await one.self();
    const two = await join(t, application, peer);
    const { cid } = await two.self();
    const joined = `join ${JSON.stringify({ id: peer.id, cid })}`;
    t.deepEqual(await one.shown(3), ["open", `connect ${JSON.stringify(peer)}`, joined]);

    application.cut("/");
    t.deepEqual((await one.shown(5)).slice(3), ["lost, comes back", "open"]);
    await two.send("to all");

    t.deepEqual((await one.shown(6)).slice(5), ["signal to all"]);
    t.deepEqual((await two.shown(3)).slice(2), ["signal to all"]);
    t.is(application.middleware.connector.stats.sessions, 2);
    t.deepEqual(application.errors, []);
  },
);

browserTest(
  "without createdStatus › the browser's EventSource opens no swarm: it gives up, and nothing is left",
  async (t) => {
    const application = await startApplication(t);
    const one = await open(t, application, { by: "EventSource" });

    t.deepEqual(await one.shown(1), ["closed"]);
    await until(() => application.middleware.connector.stats.sessions === 0);
    t.deepEqual(application.errors, []);
  },
);

browserTest(
  "with a history › a page that has lost its connection comes back, is the same peer and has missed nothing",
  async (t) => {
    const cluster = memory();
    const here = await startApplication(t, { cluster });
    const there = await startApplication(t, { cluster, sse: { retryMs: 50, history: {} } });
    const one = await open(t, here);
    const peer = await one.self();
    const two = await join(t, there, peer);
    const { cid, token } = await two.self();

    let release = there.hold();
    there.cut(`/${peer.id}`);
    t.deepEqual((await two.shown(3)).slice(2), ["lost, comes back"]);
    await until(() => there.middleware.connector.stats.kept === 1);
    for (const text of ["1", "2"]) await one.send(`${text}, to all`);
    await one.send("3, to it alone", cid);
    await one.send("4, to all");
    const joined = `join ${JSON.stringify({ id: peer.id, cid })}`;
    const toAll = ["signal 1, to all", "signal 2, to all", "signal 4, to all"];
    t.deepEqual((await one.shown(6)).slice(2), [joined, ...toAll]);
    release();

    const kept = ["signal 1, to all", "signal 2, to all", "signal 3, to it alone", "signal 4, to all"];
    t.deepEqual((await two.shown(8)).slice(3), ["open", ...kept]);
    t.is(await statusOf(`${here.url}/${peer.id}`, post({ token, data: "5, of it" })), 200);
    t.deepEqual((await two.shown(9)).slice(8), ["signal 5, of it"]);
    // It has neither left nor joined again.
    t.deepEqual((await one.shown(7)).slice(2), [joined, ...toAll, "signal 5, of it"]);

    release = there.hold();
    there.cut(`/${peer.id}`);
    t.deepEqual((await two.shown(10)).slice(9), ["lost, comes back"]);
    await one.page.close();
    await until(() => there.middleware.connector.stats.sessions === 0);
    release();
    t.deepEqual((await two.shown(11)).slice(9), ["lost, comes back", "closed"]);
    t.regex(two.problems.join("\n"), /404/);
    t.deepEqual([...here.errors, ...there.errors], []);
  },
);

browserTest("pages of another origin may use it where a middleware before it says so", async (t) => {
  const application = await startApplication(t, { cors: true, sse: { retryMs: 50, history: { ttlMs: 4000 } } });
  const other = await startApplication(t, { servers: [application.url] });
  const one = await open(t, other, { server: application.url, offer: "yes" });
  const peer = await one.self();
  const two = await open(t, other, { server: application.url, swarm: peer.id, by: "EventSource" });
  const { cid } = await two.self();

  t.deepEqual(await two.shown(1, "#talk"), ["open"]);
  await one.say("1");
  t.deepEqual(await two.shown(2, "#talk"), ["open", "1"]);
  application.cut(`/${peer.id}`);
  await one.send("to it alone", cid);
  await two.page.getByText("signal to it alone").waitFor({ state: "attached" });
  t.regex((await two.shown(1)).join("\n"), /\nlost, comes back\nopen\n/);
  t.is(other.middleware.connector.stats.sessions, 0);

  await one.page.close();
  await two.page.getByText("closed").waitFor({ state: "attached" });
  // It may know why, too.
  await two.send("to nobody");
  await two.page.getByText("not sent: 404").waitFor({ state: "attached" });
  t.deepEqual([...application.errors, ...other.errors], []);
});

browserTest("pages of another origin may not use it where nobody says so, and open nothing", async (t) => {
  const application = await startApplication(t);
  const other = await startApplication(t, { servers: [application.url] });
  const one = await open(t, other, { server: application.url });
  const two = await open(t, application);
  const { id } = await two.self();
  const three = await open(t, other, { server: application.url, swarm: id, by: "EventSource" });

  t.deepEqual(await one.shown(1), ["TypeError: Failed to fetch"]);
  t.deepEqual(await three.shown(1), ["closed"]);
  // The browser lets go of a response that no page may have after five seconds.
  await until(() => application.middleware.connector.stats.sessions === 1);
  t.regex([...one.problems, ...three.problems].join("\n"), /blocked by CORS policy/);
  t.deepEqual(application.errors, []);
});
