import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import test, { type ExecutionContext } from "ava";
import { EventSource } from "eventsource";
import * as fc from "fast-check";
import { SseConnector, type SseConnectorOptions, type SseSession } from "../../src/connectors/sse/connector.js";
import { type Cluster, Frontend, type GlobalChannelService, memory, type PushReport } from "../../src/index.js";
import { numbers } from "../cluster/cluster.js";
import { errorsOf } from "../support/stage.js";
import { totals } from "../support/two-frontends.js";
import { gated, KEPT, startService } from "./history-support.js";
import { Client, type ClientOptions, listen, Recording } from "./sse-support.js";
import { uidOfQuery, until } from "./websocket-support.js";

// Clients over Server-Sent Events that go on where they were in their channels: whole frontends behind real HTTP servers.

const history = { "room*": KEPT, few: { size: 3, ttlMs: 60_000 } };

interface Options extends SseConnectorOptions {
  serve?: (request: IncomingMessage, response: ServerResponse, connector: SseConnector) => void;
}

/** A frontend whose users stay in their channels when they go. */
async function startFrontend(t: ExecutionContext, cluster: Cluster, sid: string, { serve, ...options }: Options = {}) {
  const connector = new SseConnector({ retryMs: 20, ...options });
  // What takes long here is to lose nobody their lease.
  const frontend = new Frontend({ sid, stype: "connector", cluster, connector, autoLeave: false, leaseMs: 30_000 });
  t.teardown(() => frontend.stop().catch(() => {}));
  await frontend.start();
  const url = await listen(
    t,
    createServer((request, response) => {
      if (serve) serve(request, response, connector);
      else connector.handle(request, response, uidOfQuery(request));
    }),
  );

  async function connect(uid: string, { lastEventId }: Pick<ClientOptions, "lastEventId"> = {}): Promise<Client> {
    const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    const client = new Client(get(`${url}/?uid=${uid}`, { agent: false, headers }));
    client.lastEventId = lastEventId;
    t.teardown(() => client.cut());
    await until(() => client.response !== undefined);
    return client;
  }

  return { frontend, connector, url, connect };
}

async function start(t: ExecutionContext, options: Options = {}) {
  const gate = gated(memory({ history }));
  const service = await startService(t, gate.cluster);
  const [one, other] = [
    await startFrontend(t, gate.cluster, "s1", options),
    await startFrontend(t, gate.cluster, "s2", options),
  ];
  const join = async (uid: string, ...names: string[]): Promise<void> => {
    await service.addMany(names.flatMap((name) => ["s1", "s2"].map((sid) => ({ name, uid, sid }))));
  };
  return { gate, service, one, other, join };
}

function push(service: GlobalChannelService, name: string | string[], msg: unknown, options = {}): Promise<PushReport> {
  return service.pushMessage("connector", "chat", msg, name, options);
}

function chats({ received }: Recording): unknown[] {
  return received.filter(({ route }) => route === "chat").map(({ msg }) => msg);
}

function gaps({ received }: Recording): unknown[] {
  return received.filter(({ route }) => route === "gap").map(({ msg }) => msg);
}

/** The id says where the client is in this channel. */
function isIn(client: Recording, name: string): boolean {
  return client.lastEventId?.includes(`${encodeURIComponent(name)}=`) ?? false;
}

/** Resolves when the client has got this, and nothing after it is on its way to it. */
async function settled(service: GlobalChannelService, client: Recording, uid: string): Promise<void> {
  await service.pushToUsers("connector", "settled", null, [uid]);
  await until(() => client.received.some(({ route }) => route === "settled"));
}

const KINDS: Record<string, Options> = {
  "without kept sessions": {},
  "with kept sessions": { history: { size: 1000, ttlMs: 60_000 } },
};

for (const [kind, options] of Object.entries(KINDS)) {
  /** What a client that comes to another server is told of its session there. */
  const elsewhere = options.history ? [{ missed: null }] : [];

  test(`${kind}: a client that comes back to another server gets what it has missed, in order, and goes on`, async (t) => {
    const { service, one, other, join } = await start(t, options);
    await join("ann", "room", "room:ä&=;,.2");
    let ann = await one.connect("ann");
    await until(() => isIn(ann, "room") && isIn(ann, "room:ä&=;,.2"));
    await push(service, "room", 1);
    await push(service, "room:ä&=;,.2", "1 of 2");
    await until(() => chats(ann).length === 2);
    ann.cut();
    for (const n of [2, 3]) {
      await push(service, "room", n);
      await push(service, "room:ä&=;,.2", `${n} of 2`);
    }
    await push(service, ["room", "room:ä&=;,.2"], "both");

    ann = await other.connect("ann", ann);
    await until(() => chats(ann).length === 5);
    await push(service, "room", 4);
    await settled(service, ann, "ann");

    t.deepEqual(
      chats(ann).filter((msg) => typeof msg === "number"),
      [2, 3, 4],
    );
    t.deepEqual(chats(ann).map(String).toSorted(), ["2", "2 of 2", "3", "3 of 2", "4", "both"]);
    t.true(chats(ann).indexOf("3 of 2") > chats(ann).indexOf("2 of 2"));
    t.deepEqual(gaps(ann), elsewhere);
  });

  test(`${kind}: where messages are not kept it is told of which channel, and goes on after that`, async (t) => {
    const { service, one, other, join } = await start(t, options);
    await join("ann", "few", "room");
    let ann = await one.connect("ann");
    await until(() => isIn(ann, "few") && isIn(ann, "room"));
    ann.cut();
    for (const n of numbers(5)) await push(service, "few", n);
    await push(service, "room", "kept");
    ann = await other.connect("ann", ann);
    await until(() => chats(ann).length === 1 && gaps(ann).length > elsewhere.length);
    t.deepEqual(chats(ann), ["kept"]);
    t.deepEqual(gaps(ann), [...elsewhere, { channels: ["few"] }]);

    ann.cut();
    await push(service, "few", 6);
    ann = await one.connect("ann", ann);
    await until(() => chats(ann).length > 0);
    await settled(service, ann, "ann");
    t.deepEqual(chats(ann), [6]);
    t.deepEqual(gaps(ann), elsewhere);
  });

  test(`${kind}: wherever the stream is cut, the client that comes back has missed nothing and gets nothing twice`, async (t) => {
    const { service, gate, one, other, join } = await start(t, options);
    await join("ann", "room", "room:2");
    const { positions } = await push(service, ["room", "room:2"], "before");
    const [inRoom, inOther] = positions!.map(({ epoch, offset }) => `${epoch}.${offset}`);
    const before = `;room=${inRoom}&room%3A2=${inOther}`;
    for (const n of numbers(2)) await push(service, "room", n);
    // It catches up, while others come, to both channels and to itself.
    const open = gate.hold();
    const recorded = await one.connect("ann", { lastEventId: before });
    await until(() => gate.reads === 2);
    await push(service, "room", 3);
    await push(service, "room:2", "1 of 2");
    await service.pushToUsers("connector", "own", "not kept", ["ann"]);
    open();
    await until(() => chats(recorded).length === 4);
    await push(service, ["room", "room:2"], "both");
    await service.pushToUsers("connector", "own", "not kept", ["ann"]);
    await push(service, "room", 4);
    await settled(service, recorded, "ann");
    recorded.cut();
    const all = [1, 2, 3, 4, "1 of 2", "both"].map(String).toSorted();
    t.deepEqual(chats(recorded).map(String).toSorted(), all);

    // One for each place where it makes a difference.
    const cuts = new Map<string, Recording>();
    for (let end = 0; end <= recorded.text.length; end++) {
      const part = new Recording();
      part.lastEventId = before;
      part.feed(recorded.text.slice(0, end));
      cuts.set(JSON.stringify([part.lastEventId, chats(part)]), part);
    }
    t.true(cuts.size >= 7);
    for (const part of cuts.values()) {
      const again = await other.connect("ann", part);
      const isWhole = (): boolean => chats(part).length + chats(again).length >= all.length;
      await until(isWhole, 3000).catch(() => {});
      await settled(service, again, "ann");
      t.deepEqual([...chats(part), ...chats(again)].map(String).toSorted(), all, part.text);
      t.deepEqual(gaps(again), elsewhere, part.text);
      again.cut();
    }
  });
}

test("a kept session goes on at its server with all that came, kept by channels or not", async (t) => {
  const { service, one, join } = await start(t, KINDS["with kept sessions"]);
  await join("ann", "room");
  let ann = await one.connect("ann");
  await until(() => isIn(ann, "room"));
  ann.cut();
  await until(() => one.connector.stats.kept === 1);
  const report = await push(service, "room", 1);
  await service.pushToUsers("connector", "own", 2, ["ann"]);
  await join("ann", "room:2");
  ann = await one.connect("ann", ann);
  await until(() => isIn(ann, "room:2"));
  await push(service, "room:2", 3);
  await until(() => ann.msgs.length === 3);

  t.deepEqual(totals(report), [2, 0, 1, 1, 0]);
  t.deepEqual(ann.msgs, [1, 2, 3]);
});

test("an EventSource comes back by itself, and misses nothing", async (t) => {
  const { service, one, join } = await start(t);
  await join("ann", "room");
  const msgs: unknown[] = [];
  const source = new EventSource(`${one.url}/?uid=ann`);
  t.teardown(() => source.close());
  source.addEventListener("chat", ({ data }) => msgs.push(JSON.parse(data as string)));
  await until(() => one.connector.stats.sessions === 1);
  await push(service, "room", 0);
  await until(() => msgs.length === 1);

  for (const n of numbers(20)) {
    if (n % 5 === 0) await service.disconnectUsers("connector", ["ann"]);
    await push(service, "room", n);
  }
  await until(() => msgs.length === 21);
  t.deepEqual(msgs, [0, ...numbers(20)]);
});

test("what is delivered between accept and begin has the ids of its places, and what begins with it says no more", async (t) => {
  for (const [kind, options] of Object.entries(KINDS)) {
    let session: SseSession | undefined;
    const { service, one, other, join } = await start(t, {
      ...options,
      serve(request, response, connector) {
        if (request.headers["last-event-id"]) connector.handle(request, response, "ann");
        else session = connector.accept(response, "ann");
      },
    });
    await join("ann", "room", "room:2");
    await push(service, ["room", "room:2"], "before");
    const connecting = one.connect("ann");
    await until(() => session !== undefined);
    await push(service, "room", 1);
    await service.pushToUsers("connector", "own", null, ["ann"]);
    await push(service, ["room", "room:2"], 2);
    await push(service, "room", 3);
    session!.begin({ hello: { route: "hello", msg: null } });
    const recorded = await connecting;
    await until(() => chats(recorded).length === 3);
    await push(service, "room:2", 4);
    await until(() => chats(recorded).length === 4);
    recorded.cut();

    const cuts = new Map<string, Recording>();
    for (let end = 0; end <= recorded.text.length; end++) {
      const part = new Recording();
      part.feed(recorded.text.slice(0, end));
      // Before the first position it can only begin anew.
      if (isIn(part, "room")) cuts.set(JSON.stringify([part.lastEventId, chats(part)]), part);
    }
    t.true(cuts.size >= 3, kind);
    for (const part of cuts.values()) {
      const again = await other.connect("ann", part);
      await until(() => chats(part).length + chats(again).length >= 4, 3000).catch(() => {});
      await settled(service, again, "ann");
      t.deepEqual([...chats(part), ...chats(again)].map(String).toSorted(), ["1", "2", "3", "4"], part.text);
      again.cut();
    }
  }
});

test("of more channels than an id has room for the others are told as gaps", async (t) => {
  const { service, one, other, join } = await start(t);
  const names = numbers(120).map((n) => `room:${n}:${"ü".repeat(20)}`);
  await join("ann", ...names);
  let ann = await one.connect("ann");
  await until(() => ann.lastEventId?.endsWith("&*") === true);
  const known = names.filter((name) => isIn(ann, name));
  t.true(`Last-Event-ID: ${ann.lastEventId}`.length < 8190);
  t.true(known.length > 20 && known.length < 120);
  ann.cut();
  for (const name of names) await push(service, name, name);

  ann = await other.connect("ann", ann);
  await until(() => chats(ann).length === known.length && gaps(ann).length === 120 - known.length);
  t.deepEqual(chats(ann).map(String).toSorted(), known.toSorted());
  const missed = gaps(ann).flatMap((gap) => (gap as { channels: string[] }).channels);
  t.deepEqual(missed.toSorted(), names.filter((name) => !known.includes(name)).toSorted());
});

test("an id that has lost a part, or the channels of which are none, counts as one without them", async (t) => {
  const { service, one, join } = await start(t);
  await join("ann", "room");
  const [position] = (await push(service, "room", 1)).positions!;
  const at = `room=${position!.epoch}.${position!.offset}`;
  for (const id of ["*", "room=", "room=x", "%ff=a.1", `${at}&`, `x&${at}`, "a".repeat(9000), `${at}.1.`]) {
    const ann = await one.connect("ann", { lastEventId: `;${id}` });
    await until(() => isIn(ann, "room"));
    await settled(service, ann, "ann");
    t.deepEqual(gaps(ann), id.includes(at) && !id.endsWith(".") ? [] : [{ channels: ["room"] }], id);
    ann.cut();
  }
});

test("an epoch may be any text, as a history of one's own may have it", async (t) => {
  const cluster = memory({ history });
  const own = cluster.history!;
  const epoch = "a.b=c&d;e ü%\n*";
  const rename = <P extends { epoch: string } | undefined>(position: P): P => position && { ...position, epoch };
  const renamed: Cluster = {
    ...cluster,
    history: {
      appendsAtOnce: true,
      limitsOf: (name) => own.limitsOf(name),
      append(append) {
        const { positions, ...rest } = own.append(append) as Awaited<ReturnType<typeof own.append>>;
        return { ...rest, positions: positions.map(rename) };
      },
      settle: (...args) => own.settle(...args),
      async read(name, range) {
        const { position, entries } = await own.read(name, range);
        return { position: rename(position), entries };
      },
      positions: async (names) => (await own.positions(names)).map(rename),
      remove: (name) => own.remove(name),
    },
  };
  const service = await startService(t, renamed);
  const { connect } = await startFrontend(t, renamed, "s1");
  await service.add("room", "ann", "s1");
  let ann = await connect("ann");
  await until(() => isIn(ann, "room"));
  await push(service, "room", 1);
  await until(() => chats(ann).length === 1);
  ann.cut();
  await push(service, "room", 2);
  ann = await connect("ann", ann);
  await until(() => ann.msgs.length > 0);
  t.deepEqual(ann.received, [{ route: "chat", msg: 2 }]);
});

test("whatever clients give as an id, they get a session, and nothing that is not theirs", async (t) => {
  for (const options of Object.values(KINDS)) {
    const { service, one, join } = await start(t, options);
    const errors = errorsOf(t, one.frontend);
    await join("ann", "room");
    const [position] = (await push(service, "room", "secret")).positions!;
    const ann = await one.connect("ann");
    await until(() => isIn(ann, "room"));
    const text = fc.string({ unit: "grapheme-ascii", maxLength: 30 });
    const field = fc
      .tuple(fc.constantFrom("room", "few", "%72oom", "*"), fc.constantFrom(position!.epoch, "x"), fc.nat())
      .map(([name, epoch, offset]) => `${name}=${epoch}.${offset}`);
    const id = fc.oneof(
      text,
      fc
        .tuple(fc.constantFrom("", "x".repeat(22), "x".repeat(22) + ".1"), fc.array(fc.oneof(field, text)))
        .map(([session, fields]) => `${session};${fields.join("&")}`),
    );
    await fc.assert(
      fc.asyncProperty(id, async (lastEventId) => {
        const eve = await one.connect("eve", { lastEventId });
        await settled(service, eve, "eve");
        const others = eve.received.filter(({ route }) => route === "chat");
        eve.cut();
        return eve.response!.statusCode === 200 && others.length === 0;
      }),
      { numRuns: 60 },
    );
    await push(service, "room", "then");
    await until(() => chats(ann).length === 1);
    t.deepEqual(errors, []);
  }
});
