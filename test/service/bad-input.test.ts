import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { AWKWARD_NAMES } from "../../src/conformance/samples.js";
import { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { type ErrorCode, GlobalChannelError } from "../../src/errors.js";
import { Frontend } from "../../src/frontend/frontend.js";
import { memory } from "../../src/memory.js";
import { redis } from "../../src/redis/index.js";
import { GlobalChannelService } from "../../src/service/service.js";
import type { Cluster, Connector, MemberSetChange } from "../../src/types.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";

/** A bad value: how errors show it, and in what argument of the call it is. */
interface Bad {
  value: unknown;
  shown: string;
  code: ErrorCode;
  /** What the error's `argument` is. */
  argument: string;
  /** How the message names it. @default as `argument` */
  named?: string;
}

interface Argument {
  valid: unknown;
  bad: readonly Bad[];
}

const LONG = { ascii: "x".repeat(1025), multiByte: "日".repeat(342) };

const NAMES: readonly (readonly [value: unknown, shown: string])[] = [
  ["", '""'],
  [undefined, "undefined"],
  [null, "null"],
  [{ name: "room" }, "an object"],
  [["room"], "an array of 1"],
  [7, "7"],
  [7n, "7n"],
  [true, "true"],
  [Symbol("room"), "Symbol(room)"],
  [LONG.ascii, "1025 characters"],
  [LONG.multiByte, "342 characters"],
  ["\ud800", String.raw`"\ud800"`],
  ["a\udc00b", String.raw`"a\udc00b"`],
];

const UIDS: typeof NAMES = [
  ...NAMES.filter(([value]) => typeof value !== "number"),
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Infinity"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
  [1.5, "1.5"],
  [2 ** 53, "9007199254740992"],
  [-(2 ** 53), "-9007199254740992"],
];

const LISTS: typeof NAMES = [
  ["ann", '"ann"'],
  [undefined, "undefined"],
  [null, "null"],
  [{ 0: "ann", length: 1 }, "an object"],
  [7, "7"],
];

const BOOLEANS: typeof NAMES = [
  ["true", '"true"'],
  [1, "1"],
  [null, "null"],
];

const TIMES: typeof NAMES = [
  [-1, "-1"],
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Infinity"],
  ["100", '"100"'],
  [2 ** 31, "2147483648"],
  [{}, "an object"],
];

function name(argument: string): Argument {
  const bad = NAMES.map(([value, shown]) => ({ value, shown, code: "GC_INVALID_ARGUMENT" as const, argument }));
  return { valid: "room", bad };
}

function id(argument = "uid"): Argument {
  const bad = UIDS.map(([value, shown]) => ({ value, shown, code: "GC_INVALID_ARGUMENT" as const, argument }));
  return { valid: "ann", bad };
}

/** An argument that holds others: in `wrap(value)` each bad value of `inner`, which errors then name `path`. */
function within(inner: Argument, path: string, wrap: (value: unknown) => unknown): Bad[] {
  return inner.bad.map((bad) => ({ ...bad, value: wrap(bad.value), argument: path }));
}

function list(argument: string): Bad[] {
  return LISTS.map(([value, shown]) => ({ value, shown, code: "GC_INVALID_ARGUMENT", argument }));
}

function memberships(): Argument {
  const first = { name: "room", uid: "ann", sid: "s1" };
  const second = (field: string) => (value: unknown) => [first, { ...first, [field]: value }];
  const items: typeof NAMES = [
    [null, "null"],
    ["room", '"room"'],
    [undefined, "undefined"],
  ];
  return {
    valid: [first],
    bad: [
      ...list("memberships"),
      ...items.map(([value, shown]) => ({
        value: [value],
        shown,
        code: "GC_INVALID_ARGUMENT" as const,
        argument: "memberships[0]",
      })),
      ...within(name("name"), "memberships[1].name", second("name")),
      ...within(id(), "memberships[1].uid", second("uid")),
      ...within(id("sid"), "memberships[1].sid", second("sid")),
    ],
  };
}

function cycle(): unknown {
  const it: Record<string, unknown> = {};
  it["self"] = it;
  return it;
}

function msg(): Argument {
  const refused = (value: unknown, shown: string): Bad => ({
    value,
    shown,
    code: "GC_MESSAGE_NOT_SERIALIZABLE",
    argument: "msg",
  });
  const large = (value: unknown, bytes: number): Bad => ({
    value,
    shown: `${bytes} bytes`,
    code: "GC_MESSAGE_TOO_LARGE",
    argument: "msg",
  });
  return {
    valid: { text: "hello" },
    bad: [
      refused(7n, "BigInt"),
      refused({ deep: [7n] }, "BigInt"),
      refused(cycle(), "circular"),
      refused(undefined, "undefined"),
      refused(() => {}, "a function"),
      refused(Symbol("hello"), "Symbol(hello)"),
      refused({ toJSON: () => undefined }, "an object"),
      large("x".repeat(1024 * 1024 - 1), 1024 * 1024 + 1),
      large("日".repeat(350_000), 1_050_002),
    ],
  };
}

function option(argument: string, values: typeof NAMES): Bad[] {
  return values.map(([value, shown]) => ({ value: { [argument]: value }, shown, code: "GC_INVALID_OPTION", argument }));
}

const NO_OPTIONS: Bad[] = [
  { value: 7, shown: "7", code: "GC_INVALID_OPTION", argument: "options" },
  { value: "fast", shown: '"fast"', code: "GC_INVALID_OPTION", argument: "options" },
  { value: { timeout: 5 }, shown: '"timeout"', code: "GC_INVALID_OPTION", argument: "timeout" },
];

/** Bad limits of a history, in an option: errors name that, and say what of it they are about. */
function limits(argument: string, wrap: (value: unknown) => unknown, named = argument): Bad[] {
  const bad: readonly (readonly [value: unknown, shown: string])[] = [
    [null, "null"],
    [true, "true"],
    [7, "7"],
    ["many", '"many"'],
    [[], "an array of 0"],
    [{}, "size is undefined"],
    [{ size: 10 }, "ttlMs is undefined"],
    [{ ttlMs: 1000 }, "size is undefined"],
    [{ size: 10, ttlMs: 1000, ttl: 5 }, '"ttl"'],
    ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 100_001].map(
      (size) => [{ size, ttlMs: 1000 }, String(size)] as const,
    ),
    [{ size: "10", ttlMs: 1000 }, '"10"'],
    ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31].map(
      (ttlMs) => [{ size: 10, ttlMs }, String(ttlMs)] as const,
    ),
    [{ size: 10, ttlMs: "1s" }, '"1s"'],
  ];
  return bad.map(([value, shown]) => ({ value: wrap(value), shown, code: "GC_INVALID_OPTION", argument, named }));
}

/** Bad patterns of channels that keep history, as an option of a cluster. */
function patterns(): Bad[] {
  return [
    ...option("history", [
      [null, "null"],
      ["room", '"room"'],
      [[], "an array of 0"],
      [7, "7"],
      [{ "a*b*c": { size: 1, ttlMs: 1 } }, '"a*b*c"'],
      [{ "**": false }, '"**"'],
    ]),
    ...limits("history", (value) => ({ history: { "ok:*": false, "room:*": value } }), 'history["room:*"]'),
  ];
}

/** Bad positions, as `wrap` gives them. */
function positions(wrap: (value: unknown) => unknown, code: ErrorCode, path: string, argument?: string): Bad[] {
  const bad = (value: unknown, shown: string, field = ""): Bad => {
    const named = `${path}${field}`;
    return { value: wrap(value), shown, code, argument: argument ?? named, named };
  };
  return [
    ...[null, "1.2", 7].map((value) => bad(value, JSON.stringify(value))),
    bad({}, "undefined", ".epoch"),
    ...NAMES.map(([epoch, shown]) => bad({ epoch, offset: 1 }, shown, ".epoch")),
    ...(
      [
        [-1, "-1"],
        [1.5, "1.5"],
        [Number.NaN, "NaN"],
        ["1", '"1"'],
        [undefined, "undefined"],
        [2 ** 53, "9007199254740992"],
      ] as const
    ).map(([offset, shown]) => bad({ epoch: "a", offset }, shown, ".offset")),
  ];
}

function historyOptions(): Argument {
  return {
    valid: {},
    bad: [
      ...NO_OPTIONS,
      { value: null, shown: "null", code: "GC_INVALID_OPTION", argument: "options" },
      ...option("limit", [...TIMES, [0, "0"], [1.5, "1.5"], [10_001, "10001"]]),
      ...option("reverse", BOOLEANS),
      ...positions((since) => ({ since }), "GC_INVALID_OPTION", "since", "since"),
    ],
  };
}

const position: Argument = {
  valid: { epoch: "a", offset: 1 },
  bad: [
    ...positions((value) => value, "GC_INVALID_ARGUMENT", "position"),
    { value: undefined, shown: "undefined", code: "GC_INVALID_ARGUMENT", argument: "position" },
  ],
};

/** Those of pushes that are to no channel. */
function directPushOptions(): Argument {
  const { valid, bad } = pushOptions();
  return {
    valid,
    bad: [
      ...bad,
      ...option("history", [
        [false, "false"],
        [{ size: 1, ttlMs: 1 }, "an object"],
      ]),
    ],
  };
}

function pushOptions(): Argument {
  const except = (values: typeof NAMES): Bad[] =>
    values.map(([value, shown]) => ({
      value: { except: ["ann", value] },
      shown,
      code: "GC_INVALID_OPTION",
      argument: "except",
      named: "except[1]",
    }));
  return {
    valid: undefined,
    bad: [
      ...NO_OPTIONS,
      ...option("timeoutMs", [...TIMES, [0, "0"]]),
      ...option(
        "except",
        LISTS.filter(([value]) => value !== undefined),
      ),
      ...except(UIDS),
      ...option("ack", BOOLEANS),
      ...limits("history", (history) => ({ history })),
      ...option(
        "idempotencyKey",
        NAMES.filter(([value]) => value !== undefined),
      ),
    ],
  };
}

function disconnectOptions(): Argument {
  return {
    valid: {},
    bad: [
      ...NO_OPTIONS,
      { value: null, shown: "null", code: "GC_INVALID_OPTION", argument: "options" },
      ...option("timeoutMs", [...TIMES, [0, "0"]]),
      ...option("close", [
        [1, "1"],
        ["yes", '"yes"'],
        [null, "null"],
      ]),
    ],
  };
}

function listOptions(): Argument {
  const given = ([value]: readonly [unknown, string]): boolean => value !== undefined;
  return {
    valid: {},
    bad: [
      ...NO_OPTIONS,
      { value: null, shown: "null", code: "GC_INVALID_OPTION", argument: "options" },
      ...option("stype", NAMES.filter(given)),
      ...option("limit", [...TIMES, [0, "0"], [10_001, "10001"]]),
      ...option(
        "cursor",
        NAMES.filter(given).filter(([value]) => value !== LONG.ascii && value !== LONG.multiByte),
      ),
      ...["x", "{}", "[]", "[1,2]", '["s1"]', "null"].map((cursor) => ({
        value: { cursor },
        shown: JSON.stringify(cursor),
        code: "GC_INVALID_OPTION" as const,
        argument: "cursor",
      })),
    ],
  };
}

const channelNames: Argument = {
  valid: "room",
  bad: [
    ...name("name").bad.filter(({ value }) => !Array.isArray(value)),
    ...within(name("name"), "name[1]", (value) => ["room", value]),
  ],
};
const uids: Argument = {
  valid: ["ann"],
  bad: [...list("uids"), ...within(id(), "uids[1]", (value) => ["ann", value])],
};
const anyStype: Argument = {
  valid: "connector",
  bad: name("stype").bad.filter(({ value }) => value !== undefined),
};

const METHODS = {
  add: [name("name"), id(), id("sid")],
  leave: [name("name"), id(), id("sid")],
  addMany: [memberships()],
  leaveMany: [memberships()],
  leaveAll: [id(), id("sid")],
  destroyChannel: [name("name")],
  getMembersBySid: [name("name"), id("sid")],
  getMembersByChannelName: [name("stype"), name("name")],
  getChannels: [id()],
  getSids: [id()],
  isMember: [name("name"), id()],
  count: [name("name"), anyStype],
  listMembers: [name("name"), listOptions()],
  pushMessage: [name("stype"), name("route"), msg(), channelNames, pushOptions()],
  pushToUsers: [name("stype"), name("route"), msg(), uids, directPushOptions()],
  broadcast: [name("stype"), name("route"), msg(), directPushOptions()],
  history: [name("name"), historyOptions()],
  recover: [name("name"), position],
  disconnectUsers: [name("stype"), uids, disconnectOptions()],
} satisfies Partial<Record<keyof GlobalChannelService, readonly Argument[]>>;
type Method = keyof typeof METHODS;
const ENTRIES = Object.entries(METHODS) as [Method, readonly Argument[]][];

type Style = (service: GlobalChannelService, method: Method, args: readonly unknown[]) => Promise<unknown>;
type AnyMethod = (...args: readonly unknown[]) => Promise<unknown>;

/** Resolves what the call was refused with. */
const STYLES: Record<string, Style> = {
  promise: (service, method, args) =>
    (service[method] as AnyMethod)(...args).then(
      () => undefined,
      (error: unknown) => error,
    ),
  // Nobody handles the promise: its rejection must not be an unhandled one.
  callback: async (service, method, args) => {
    const calls: unknown[][] = [];
    await new Promise<void>((resolve) => {
      void (service[method] as AnyMethod)(...args, (...results: unknown[]) => {
        calls.push(results);
        resolve();
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
    if (calls.length !== 1) throw new Error(`the callback was called ${calls.length} times`);
    if (calls[0]?.[1] !== undefined) throw new Error("the callback got a result beside an error");
    return calls[0]?.[0];
  },
};

interface BadCall extends Bad {
  args: unknown[];
}

/** Every call of a method with one bad argument, the others valid. */
function badCalls(args: readonly Argument[]): BadCall[] {
  return args.flatMap(({ bad }, index) =>
    bad.map((it) => ({ ...it, args: args.map(({ valid }, other) => (other === index ? it.value : valid)) })),
  );
}

function isRefused(t: ExecutionContext, error: unknown, { code, argument, named, shown }: Bad, label: string): void {
  if (!(error instanceof GlobalChannelError)) return t.fail(`${label}: refused with ${String(error)}`);
  t.is(error.code, code, `${label}: ${error.message}`);
  t.is(error.argument, argument, label);
  t.false(error.temporary, label);
  t.true(error.message.includes(named ?? argument), `${label} names the argument: ${error.message}`);
  t.true(error.message.includes(shown), `${label} shows ${shown}: ${error.message}`);
  t.regex(error.message, /it must be .|it has .|allows \d|JSON/, `${label} says what is allowed`);
}

async function startService(
  t: ExecutionContext,
  cluster: Cluster,
  options: { maxMessageBytes?: number } = {},
): Promise<GlobalChannelService> {
  const service = new GlobalChannelService({ cluster, ...options });
  await service.start();
  t.teardown(() => service.stop(true));
  return service;
}

/** A frontend with one session whose connector writes down what it is given. */
async function startFrontend(t: ExecutionContext, cluster: Cluster): Promise<{ delivered: string[] }> {
  const delivered: string[] = [];
  const connector: Connector = {
    start: (host) => host.opened("ann"),
    deliver: (_uids, { body }) => (delivered.push(body), []),
    deliverToAll: (_message, { size }) => delivered.push(`all but ${size}`),
  };
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector });
  await frontend.start();
  t.teardown(() => frontend.stop());
  return { delivered };
}

/** Makes a sid live, without anyone there who would take members out. */
async function makeLive({ registry }: Cluster, sid: string): Promise<void> {
  const frontend = { sid, stype: "connector", incarnation: `of ${sid}`, holder: "test" };
  await registry.register(frontend, 60_000);
  await registry.renew(frontend, 60_000);
}

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

for (const [style, call] of Object.entries(STYLES)) {
  for (const [method, args] of ENTRIES) {
    test(`${method} refuses every bad argument and does nothing (${style})`, async (t) => {
      const cluster = memory();
      const service = await startService(t, cluster);
      const { delivered } = await startFrontend(t, cluster);
      await service.add("room", "ann", "s1");
      const changes: MemberSetChange[] = [];
      await cluster.manager.watchAll?.({ change: (change) => changes.push(change) });

      for (const bad of badCalls(args)) {
        isRefused(t, await call(service, method, bad.args), bad, `${method} with ${bad.argument} ${bad.shown}`);
      }

      t.deepEqual(changes, []);
      t.deepEqual(delivered, []);
    });

    test(`${method} is refused before start and after stop (${style})`, async (t) => {
      const service = new GlobalChannelService({ cluster: memory() });
      const valid = args.map((argument) => argument.valid);
      t.like(await call(service, method, valid), { code: "GC_NOT_STARTED", temporary: false });
      const starting = service.start();
      t.like(await call(service, method, valid), { code: "GC_NOT_STARTED" });
      await starting;
      t.is(await STYLES["promise"]!(service, method, valid), undefined);
      const stopping = service.stop();
      t.like(await call(service, method, valid), { code: "GC_CLOSED", temporary: false });
      await stopping;
      t.like(await call(service, method, valid), { code: "GC_CLOSED" });
    });
  }
}

test("a callback in the place of what may be left out gets the error, once", async (t) => {
  const service = await startService(t, memory());
  const { callback } = STYLES;
  t.like(await callback!(service, "count", [""]), { argument: "name" });
  t.like(await callback!(service, "pushMessage", ["", "r", {}, "room"]), { argument: "stype" });
  t.like(await callback!(service, "pushToUsers", ["connector", "", {}, ["ann"]]), { argument: "route" });
  t.like(await callback!(service, "broadcast", ["connector", "r", 1n]), { argument: "msg" });
});

test("listMembers takes a callback in the place of its options", async (t) => {
  const service = await startService(t, memory());
  const results: unknown[][] = [];
  await (service.listMembers as AnyMethod)("room", (...result: unknown[]) => results.push(result)).catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(results, [[null, { members: [], cursor: undefined }]]);
});

test("a started service cannot be started again once it is stopped", async (t) => {
  const service = new GlobalChannelService({ cluster: memory() });
  await service.start();
  await service.stop();
  await t.throwsAsync(service.start(), { code: "GC_CLOSED" });
});

test("on Redis, too, refused calls write nothing and send nothing", async (t) => {
  const cluster = redis(server.url, { prefix: randomUUID() });
  const service = await startService(t, cluster);
  const { delivered } = await startFrontend(t, cluster);
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  await service.add("room", "ann", "s1");
  const before = await client.dbsize();
  t.true(before > 0);

  for (const [method, args] of ENTRIES) {
    await Promise.all(
      badCalls(args).map(async (bad) => {
        isRefused(
          t,
          await STYLES["promise"]!(service, method, bad.args),
          bad,
          `${method} with ${bad.argument} ${bad.shown}`,
        );
      }),
    );
  }

  t.is(await client.dbsize(), before);
  t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann"]);
  t.deepEqual(delivered, []);
});

test("a uid that is a safe integer is the user of its decimal string", async (t) => {
  const cluster = memory();
  const service = await startService(t, cluster);
  await makeLive(cluster, "s1");
  for (const number of [0, 42, -7, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    t.true(await service.add("room", number, "s1"));
    t.false(await service.add("room", String(number), "s1"));
    t.true(await service.isMember("room", String(number)));
    t.deepEqual(await service.getMembersBySid("room", "s1"), [String(number)]);
    t.is(await service.leaveMany([{ name: "room", uid: number, sid: "s1" }]), 1);
  }
});

test("a sid that is a number is the frontend of its digits", async (t) => {
  const cluster = memory();
  const service = await startService(t, cluster);
  await makeLive(cluster, "7");

  t.true(await service.add("room", "ann", 7));

  t.deepEqual(await service.getMembersBySid("room", 7), ["ann"]);
  t.deepEqual(await service.getMembersBySid("room", "7"), ["ann"]);
  t.is(await service.leaveMany([{ name: "room", uid: "ann", sid: 7 }]), 1);
});

test("names of just 1,024 bytes are accepted", async (t) => {
  const cluster = memory();
  const service = await startService(t, cluster);
  for (const longest of ["x".repeat(1024), `${"日".repeat(341)}x`, "😀".repeat(256)]) {
    t.true(await service.add(longest, longest, longest));
  }
});

test("the size of a message is that of its JSON in bytes, and the largest one allowed is sent", async (t) => {
  const cluster = memory();
  const service = await startService(t, cluster, { maxMessageBytes: 10 });
  const { delivered } = await startFrontend(t, cluster);
  await service.add("room", "ann", "s1");
  const allowed = ["日日xx", "xxxxxxxx", "ééé", '"""', [1, 2, 3, 4], null];
  for (const message of allowed) await service.pushMessage("connector", "r", message, "room");
  t.deepEqual(
    delivered,
    allowed.map((message) => JSON.stringify(message)),
  );
  for (const message of ["日日日", "xxxxxxxxx", "ééééé", '"""""', [1, 2, 3, 45, 6]]) {
    const error = await t.throwsAsync(service.pushMessage("connector", "r", message, "room"), {
      code: "GC_MESSAGE_TOO_LARGE",
    });
    t.true(error?.message.includes(`${Buffer.byteLength(JSON.stringify(message))} bytes`), error?.message);
    t.true(error?.message.includes("maxMessageBytes allows 10"), error?.message);
  }
  t.is(delivered.length, allowed.length);
});

test("a message of exactly 1 MiB of JSON is sent by default", async (t) => {
  const cluster = memory();
  const service = await startService(t, cluster);
  const { delivered } = await startFrontend(t, cluster);
  await service.add("room", "ann", "s1");
  await service.pushMessage("connector", "r", "x".repeat(1024 * 1024 - 2), "room");
  t.is(delivered[0]?.length, 1024 * 1024);
});

/** What takes options, by the name that its errors give it. */
const OWNERS: Record<string, { make: (options: never) => unknown; valid: () => object; bad: readonly Bad[] }> = {
  GlobalChannelService: {
    make: (options) => new GlobalChannelService(options),
    valid: () => ({ cluster: memory() }),
    bad: [
      ...["timeoutMs", "graceMs", "reapIntervalMs"].flatMap((time) => option(time, TIMES)),
      ...option("timeoutMs", [[0, "0"]]),
      ...option("reapIntervalMs", [[9, "9"]]),
      ...option("autoLeave", BOOLEANS),
      ...["maxMessageBytes", "maxPendingPushes"].flatMap((amount) =>
        option(amount, [...TIMES.filter(([value]) => value !== 2 ** 31), [0, "0"]]),
      ),
      ...option("cluster", [
        [undefined, "undefined"],
        [null, "null"],
        [{}, "an object"],
        [{ ...memory(), transport: {} }, "transport has no method request"],
        [{ ...memory(), tokens: { put() {} } }, "tokens has no method take"],
        [{ ...memory(), tokens: null }, "tokens has no method put"],
        [{ ...memory(), history: { limitsOf() {} } }, "history has no method append"],
        [{ ...memory(), history: null }, "history has no method limitsOf"],
      ]),
    ],
  },
  Frontend: {
    make: (options) => new Frontend(options),
    valid: () => ({
      sid: "s1",
      stype: "connector",
      cluster: memory(),
      connector: { deliver: () => [], deliverToAll: () => 0 },
    }),
    bad: [
      ...option("leaseMs", [...TIMES, [0, "0"], [29, "29"]]),
      ...option("autoLeave", BOOLEANS),
      ...option("sid", NAMES),
      ...option("stype", NAMES),
      ...option("connector", [
        [undefined, "undefined"],
        [{ deliver: () => [] }, "an object"],
      ]),
      ...option("onMessage", [["log", '"log"']]),
      ...option("cluster", [[undefined, "undefined"]]),
    ],
  },
  WebSocketConnector: {
    make: (options) => new WebSocketConnector(options),
    valid: () => ({ port: 0, authenticate: () => "ann" }),
    bad: [
      ...["authTimeoutMs", "heartbeatMs"].flatMap((time) => option(time, [...TIMES, [0, "0"]])),
      ...["maxBufferedBytes", "maxClientMessageBytes"].flatMap((amount) =>
        option(amount, [...TIMES.filter(([value]) => value !== 2 ** 31), [0, "0"]]),
      ),
      ...option("port", [
        [-1, "-1"],
        [65_536, "65536"],
        ["80", '"80"'],
        [1.5, "1.5"],
      ]),
      ...option("path", [
        ["chat", '"chat"'],
        ["/a?b", '"/a?b"'],
      ]),
      ...option("host", [["", '""']]),
      ...option("authenticate", [[undefined, "undefined"]]),
    ],
  },
  redis: {
    make: (options) => redis("redis://127.0.0.1:1", options),
    valid: () => ({ prefix: "gc" }),
    bad: [
      ...option("prefix", [
        ["", '""'],
        ["a{b}", '"a{b}"'],
        ["a b", '"a b"'],
        ["a*", '"a*"'],
        ["gc:u", '"gc:u"'],
        [7, "7"],
        [null, "null"],
      ]),
      ...patterns(),
    ],
  },
  memory: {
    make: (options) => memory(options),
    valid: () => ({ history: { "room:*": { size: 10, ttlMs: 1000 }, room: false, "*": { size: 1, ttlMs: 1 } } }),
    bad: patterns(),
  },
};

for (const [owner, { make, valid, bad }] of Object.entries(OWNERS)) {
  const refusal = (options: unknown): unknown => {
    try {
      make(options as never);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  test(`${owner} refuses every bad option, and names it`, (t) => {
    t.is(refusal(valid()), undefined);
    for (const it of bad) {
      const error = refusal({ ...valid(), ...(it.value as object) });
      isRefused(t, error, it, `${owner} with ${it.argument} ${it.shown}`);
      t.true((error as Error).message.startsWith(`${owner}: `), (error as Error).message);
    }
  });

  test(`${owner} refuses an option that it has not, and says which it has`, (t) => {
    for (const unknown of ["timeout", "TimeoutMs", "", "toString", "__proto__"]) {
      const options = Object.defineProperty(valid(), unknown, { value: 5, enumerable: true });
      const error = refusal(options) as GlobalChannelError;
      t.like(error, { code: "GC_INVALID_OPTION", argument: unknown }, unknown);
      t.true(error.message.startsWith(`${owner} has no option ${JSON.stringify(unknown)}`), error.message);
      for (const known of Object.keys(valid())) t.true(error.message.includes(known), error.message);
    }
  });

  test(`${owner} says which option may have been meant`, (t) => {
    for (const known of Object.keys(valid())) {
      const slip = `${known.slice(0, 2)}${known.slice(3)}`;
      const options = { ...valid(), [slip]: 5 };
      t.true(
        (refusal(options) as Error).message.includes(`${JSON.stringify(slip)} (did you mean ${known}?); it has`),
        slip,
      );
    }
    t.false((refusal({ ...valid(), nothingLikeAny: 5 }) as Error).message.includes("did you mean"));
  });

  test(`${owner} refuses options that are no object`, (t) => {
    for (const none of [null, 7, "fast", true, () => {}]) {
      t.like(refusal(none), { code: "GC_INVALID_OPTION", argument: "options" });
    }
  });
}

test("redis refuses what is no way to reach a Redis, and does not tell the password", (t) => {
  const refused = ["", "127.0.0.1:6379", "http://x:secret@127.0.0.1", 7, null, undefined, { keyPrefix: "a:" }];
  for (const source of refused) {
    const error = t.throws(() => redis(source as string), { code: "GC_INVALID_OPTION" });
    t.false(error?.message.includes("secret"), error?.message);
  }
});

test("a page's limit is a whole number", async (t) => {
  const service = await startService(t, memory());
  await t.throwsAsync(service.listMembers("room", { limit: 1.5 }), { code: "GC_INVALID_OPTION", message: /1\.5/ });
});

const CLUSTERS: Record<string, () => Cluster> = {
  memory,
  Redis: () => redis(server.url, { prefix: randomUUID() }),
};

for (const [store, makeCluster] of Object.entries(CLUSTERS)) {
  test(`awkward names are valid, and none is mixed up with another (${store})`, async (t) => {
    const cluster = makeCluster();
    const service = await startService(t, cluster);
    const names = [...new Set([":", "{", "}", " ", "\n", "😀", "*", ...AWKWARD_NAMES])];
    const sid = "{s:1}%";
    await makeLive(cluster, sid);
    const expectMembers = async (members: (index: number) => string[]): Promise<void> => {
      const found = await Promise.all(names.map((it) => service.getMembersBySid(it, sid)));
      t.deepEqual(
        found,
        names.map((_it, index) => members(index)),
      );
      const counts = await Promise.all(names.map((it) => service.count(it, "connector")));
      t.deepEqual(
        counts,
        names.map((_it, index) => members(index).length),
      );
    };

    t.deepEqual(
      await Promise.all(names.map((it, index) => service.add(it, `of ${index}`, sid))),
      names.map(() => true),
    );
    await expectMembers((index) => [`of ${index}`]);

    const even = names.filter((_it, index) => index % 2 === 0);
    t.deepEqual(
      await Promise.all(even.map((it) => service.destroyChannel(it))),
      even.map(() => 1),
    );
    await expectMembers((index) => (index % 2 === 0 ? [] : [`of ${index}`]));
  });

  test(`awkward uids and sids come back as they were given (${store})`, async (t) => {
    const cluster = makeCluster();
    const service = await startService(t, cluster);
    await Promise.all(AWKWARD_NAMES.map((sid) => makeLive(cluster, sid)));
    await Promise.all(AWKWARD_NAMES.map((it) => service.add("room", it, it)));
    for (const it of AWKWARD_NAMES) t.deepEqual(await service.getMembersBySid("room", it), [it]);
    t.deepEqual((await service.getMembersByChannelName("connector", "room")).toSorted(), AWKWARD_NAMES.toSorted());
    t.is(await service.destroyChannel("room"), AWKWARD_NAMES.length);
  });
}

for (const [store, makeCluster] of Object.entries(CLUSTERS)) {
  test(`the members of a channel are all listed, also where uids and sids are as long as allowed (${store})`, async (t) => {
    const cluster = makeCluster();
    const service = await startService(t, cluster);
    const [long, longer] = ["x".repeat(1024), "\n".repeat(1024)];
    const members = [long, longer].flatMap((sid) => ["ann", long, longer].map((user) => ({ uid: user, sid })));
    await Promise.all([long, longer].map((sid) => makeLive(cluster, sid)));
    await service.addMany(members.map((member) => ({ ...member, name: "room" })));

    const listed = new Set<string>();
    for await (const { uid: user, sid } of service.members("room", { pageSize: 1 }))
      listed.add(JSON.stringify([user, sid]));

    t.deepEqual([...listed].toSorted(), members.map(({ uid: user, sid }) => JSON.stringify([user, sid])).toSorted());
  });
}
