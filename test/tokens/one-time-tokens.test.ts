import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import * as fc from "fast-check";
import { GlobalChannelError, isGlobalChannelError, memory } from "../../src/index.js";
import { RedisConnection } from "../../src/redis/index.js";
import { OneTimeTokens } from "../../src/tokens/one-time-tokens.js";
import type { TokenStore } from "../../src/types.js";
import { startProcess } from "../support/process.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { useStores } from "./stores.js";
import type { UseProcess } from "./use-process.js";

const { one, stores, openStore } = useStores();

/** What is said of every token that is refused, whatever the reason. */
const REFUSED = {
  code: "GC_INVALID_TOKEN",
  message: "the token was never given out, has expired, or was used before",
};

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function inMemory(ttlMs?: number): OneTimeTokens {
  return new OneTimeTokens({ store: memory().tokens!, ...(ttlMs !== undefined && { ttlMs }) });
}

/** Tokens whose store counts how often it is asked. */
function counted(): { tokens: OneTimeTokens; calls: string[] } {
  const calls: string[] = [];
  const store: TokenStore = { put: () => void calls.push("put"), take: () => void calls.push("take") };
  return { tokens: new OneTimeTokens({ store }), calls };
}

for (const [kind, make] of Object.entries(stores)) {
  test(`${kind}: a token gives its payload, once`, async (t) => {
    const tokens = new OneTimeTokens({ store: await make(t)() });

    for (const payload of [{ uid: "ann", roles: ["a", "b"] }, "ann", 0, "", null, false, [], "日本 😀\0\n"]) {
      const token = await tokens.createToken(payload);
      t.regex(token, /^[\w-]{43}$/);
      t.deepEqual(await tokens.useToken(token), payload);
      await t.throwsAsync(tokens.useToken(token), REFUSED);
    }
  });

  test(`${kind}: of 100 who use a token at the same time, by several connections, exactly one is let in`, async (t) => {
    const open = make(t);
    const users = await Promise.all([1, 2, 3].map(async () => new OneTimeTokens({ store: await open() })));

    for (let round = 0; round < 20; round++) {
      const token = await users[0]!.createToken(round);
      const uses = Array.from({ length: 100 }, (_value, index) => users[index % users.length]!.useToken(token));
      const settled = await Promise.allSettled(uses);

      t.deepEqual(
        settled.flatMap((use) => (use.status === "fulfilled" ? [use.value] : [])),
        [round],
      );
      const errors = settled.flatMap((use) => (use.status === "rejected" ? [use.reason as GlobalChannelError] : []));
      t.true(errors.every(({ code, message }) => code === REFUSED.code && message === REFUSED.message));
    }
  });

  test(`${kind}: a token may be used until its time is over`, async (t) => {
    const tokens = new OneTimeTokens({ store: await make(t)(), ttlMs: 100 });
    const [short, long, shortest] = await Promise.all([
      tokens.createToken("ann"),
      tokens.createToken("ben", { ttlMs: 10_000 }),
      tokens.createToken("eve", { ttlMs: 1 }),
    ]);

    await sleep(20);
    await t.throwsAsync(tokens.useToken(shortest), REFUSED);
    await sleep(100);
    await t.throwsAsync(tokens.useToken(short), REFUSED);
    t.is(await tokens.useToken(long), "ben");
  });

  test(`${kind}: a token with any one character changed is refused, and may be used all the same`, async (t) => {
    const tokens = new OneTimeTokens({ store: await make(t)() });
    const token = await tokens.createToken("ann");

    for (let index = 0; index < token.length; index++) {
      const others = ALPHABET.split("").filter((character) => character !== token[index]);
      // The last one in all ways: some of them stand for the same bytes.
      for (const other of index < 42 ? others.slice(index % 60, (index % 60) + 3) : others) {
        await t.throwsAsync(tokens.useToken(token.slice(0, index) + other + token.slice(index + 1)), REFUSED);
      }
    }
    t.is(await tokens.useToken(token), "ann");
  });
}

test("redis: of 3 processes that use a token at the same time exactly one is let in", async (t) => {
  const prefix = randomUUID();
  const store = await openStore(t, new RedisConnection(one.server.url, { prefix }));
  const tokens = new OneTimeTokens({ store });
  const processes = await Promise.all(
    [1, 2, 3].map(() =>
      startProcess<UseProcess>(new URL("use-process.ts", import.meta.url), { args: [one.server.url, prefix] }),
    ),
  );
  t.teardown(() => Promise.all(processes.map((process) => process.kill())));

  for (let round = 0; round < 20; round++) {
    const token = await tokens.createToken({ round });
    const results = (await Promise.all(processes.map((process) => process.call("useMany", token, 34)))).flat();
    t.deepEqual(
      results.filter((result) => result !== REFUSED.code),
      [{ round }],
    );
  }
});

test("redis: nothing of a token can be read there, and all of it expires", async (t) => {
  const prefix = randomUUID();
  const store = await openStore(t, new RedisConnection(one.server.url, { prefix }));
  const tokens = new OneTimeTokens({ store });
  const given = await Promise.all(Array.from({ length: 20 }, (_value, index) => tokens.createToken({ index })));

  const keys = await one.admin.keys(`${prefix}:*`);
  t.is(keys.length, 20);
  const kept = await Promise.all(keys.map(async (key) => `${key} ${await one.admin.get(key)}`));
  for (const token of given) {
    for (let from = 0; from + 8 <= token.length; from++) {
      const piece = token.slice(from, from + 8);
      t.false(kept.some((text) => text.includes(piece)));
    }
    const hash = createHash("sha256").update(token).digest();
    const key = `${prefix}:tok:${hash.toString("base64url", 0, 16)}`;
    const record = await one.admin.get(key);
    t.is(record?.slice(0, 22), hash.toString("base64url", 16));
    t.deepEqual(JSON.parse(record?.slice(22) ?? ""), { index: given.indexOf(token) });
    const ttl = await one.admin.pttl(key);
    t.true(ttl > 50_000 && ttl <= 60_000, `${ttl}`);
  }
});

test("redis: a store that is away says so, and a token that it has not been asked for may be used when it is back", async (t) => {
  const proxy = await TcpProxy.start(one.server.port);
  t.teardown(() => proxy.stop());
  const prefix = randomUUID();
  const store = await openStore(t, new RedisConnection(`redis://127.0.0.1:${proxy.port}`, { prefix }));
  const tokens = new OneTimeTokens({ store });
  const token = await tokens.createToken("ann");

  proxy.refuse();
  proxy.cut();
  await sleep(50);
  await t.throwsAsync(tokens.useToken(token), { code: "GC_STORE_UNAVAILABLE" });
  await t.throwsAsync(tokens.createToken("ben"), { code: "GC_STORE_UNAVAILABLE" });
  await t.throwsAsync(tokens.useToken("not a token"), REFUSED);
  proxy.heal();

  t.is(await useWhenBack(tokens, token), "ann");
  await t.throwsAsync(tokens.useToken(token), REFUSED);
});

/** Uses a token as soon as the store is back. */
async function useWhenBack(tokens: OneTimeTokens, token: string): Promise<unknown> {
  for (;;) {
    try {
      return await tokens.useToken(token);
    } catch (error) {
      if (!isGlobalChannelError(error) || !error.temporary) throw error;
      await sleep(20);
    }
  }
}

test("whatever is no token is refused with the same words, and the store is not asked", async (t) => {
  const { tokens, calls } = counted();
  const token = randomBytes(32).toString("base64url");
  const malformed = [
    ...[
      "",
      " ",
      `${token} `,
      `${token}\n`,
      ` ${token}`,
      `${token}=`,
      token.slice(1),
      `${token}A`,
      "A".repeat(1_000_000),
    ],
    ...[token.replace(/.$/, "B"), token.replace(/^./, "+"), token.replace(/^./, "/"), token.replace(/^./, "é")],
    ...[null, undefined, 0, Number.NaN, 1n, true, Symbol("x"), {}, [], [token], { token }, () => token, new Date(0)],
    ...[{ toString: () => token }, Buffer.from(token), Object(token)],
  ] as unknown[];

  for (const value of malformed) await t.throwsAsync(tokens.useToken(value), REFUSED);

  const property = fc.asyncProperty(fc.oneof(fc.anything(), fc.stringMatching(/^[\w-]{42,44}$/)), async (value) => {
    const isWellFormed =
      typeof value === "string" &&
      value.length === 43 &&
      Buffer.from(value, "base64url").toString("base64url") === value;
    calls.length = 0;
    const error = await tokens.useToken(value).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!isGlobalChannelError(error) || error.code !== REFUSED.code || error.message !== REFUSED.message) return false;
    return calls.length === (isWellFormed ? 1 : 0);
  });
  await t.notThrowsAsync(fc.assert(property, { numRuns: 2000 }));
});

test("no two tokens are alike", async (t) => {
  const tokens = inMemory();
  const given = await Promise.all(Array.from({ length: 5000 }, () => tokens.createToken(1)));
  t.is(new Set(given.map((token) => token.slice(0, 11))).size, 5000);
  t.is(new Set(given.map((token) => token.slice(-11))).size, 5000);
});

test("a payload has a JSON form of up to 16 KiB", async (t) => {
  const { tokens, calls } = counted();

  await t.throwsAsync(tokens.createToken("x".repeat(16_383)), {
    code: "GC_MESSAGE_TOO_LARGE",
    message: "payload is 16385 bytes of JSON; a token allows 16384",
  });
  await t.throwsAsync(tokens.createToken("é".repeat(8192)), { code: "GC_MESSAGE_TOO_LARGE" });
  for (const payload of [undefined, () => 1, 1n, Symbol("x")]) {
    const error = await t.throwsAsync<GlobalChannelError>(tokens.createToken(payload));
    t.is(error.code, "GC_MESSAGE_NOT_SERIALIZABLE");
    t.is(error.argument, "payload");
  }
  t.deepEqual(calls, []);

  await tokens.createToken("x".repeat(16_382));
  t.deepEqual(calls, ["put"]);
});

test("times and stores that are not allowed are refused", async (t) => {
  for (const ttlMs of [0, -1, 1.5, Number.NaN, Infinity, 86_400_001, "60"]) {
    t.throws(() => inMemory(ttlMs as number), { code: "GC_INVALID_OPTION" }, `${ttlMs}`);
    await t.throwsAsync(inMemory().createToken(1, { ttlMs: ttlMs as number }), { code: "GC_INVALID_OPTION" });
  }
  await t.notThrowsAsync(inMemory(86_400_000).createToken(1, { ttlMs: 86_400_000 }));
  for (const store of [undefined, null, {}, { put() {} }, 7]) {
    t.throws(() => new OneTimeTokens({ store: store as unknown as TokenStore }), { code: "GC_INVALID_OPTION" });
  }
  t.throws(() => new OneTimeTokens({ store: memory().tokens!, ttl: 5 } as never), { message: /did you mean ttlMs\?/ });
});

test("what a store of the application's own does wrong is told as an error of the store", async (t) => {
  const broken = (store: Partial<TokenStore>): OneTimeTokens =>
    new OneTimeTokens({ store: { put: () => {}, take: () => undefined, ...store } });
  const token = randomBytes(32).toString("base64url");
  const rest = createHash("sha256").update(token).digest().toString("base64url", 16);
  const failing = (): never => {
    throw new TypeError("no");
  };

  await t.throwsAsync(broken({ put: failing }).createToken(1), {
    code: "GC_STORE_ERROR",
    message: "the token store's put failed: no",
  });
  await t.throwsAsync(broken({ take: async () => failing() }).useToken(token), { code: "GC_STORE_ERROR" });
  const away = new GlobalChannelError("GC_STORE_UNAVAILABLE", "away");
  t.is(await t.throwsAsync(broken({ take: () => Promise.reject(away) }).useToken(token)), away);

  for (const record of ["", "x", rest.slice(1), `${"A".repeat(22)}1`, null as unknown as string]) {
    await t.throwsAsync(broken({ take: () => record }).useToken(token), REFUSED);
  }
  for (const record of [rest, `${rest}{`, Buffer.from(`${rest}1`), 7] as string[]) {
    const error = await t.throwsAsync(broken({ take: () => record }).useToken(token), { code: "GC_STORE_ERROR" });
    t.false(error.message.includes(rest));
  }
  t.is(await broken({ take: () => `${rest}1` }).useToken(token), 1);
});
