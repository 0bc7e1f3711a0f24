import test from "ava";
import * as fc from "fast-check";
import {
  AGAIN,
  ASK,
  decodeAsk,
  decodeBundle,
  decodeReplies,
  decodeRequests,
  DONE,
  encodeAsk,
  encodeBundle,
  encodeDone,
  encodeFusedPush,
  encodeRequest,
  type Outcome,
  type ReplyReader,
  ReplyWriter,
  signOf,
} from "../../src/transports/redis/wire.js";
import type { ChannelPosition, FrontendRequest } from "../../src/types.js";

// What goes over the wire of the Redis transport comes back as it was; anything else is refused, and costs no more than its length.

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.nat(3).map((delivered) => ({ answer: { delivered, failed: [] } })) },
  fc.array(fc.string()).map((failed) => ({ answer: { delivered: 1, failed } })),
  fc.array(fc.string()).map((names) => ({ answer: { names } })),
  fc.string().map((error) => ({ error })),
  fc.string().map((error) => ({ error, temporary: true as const })),
);

/** Reads replies, and nothing about missed requests. */
function reader(settle: ReplyReader["settle"]): ReplyReader {
  return { heardFrom: () => {}, settle, mayHaveMissed: () => {}, missed: () => {} };
}

function repliesIn(text: string): { id: number; sid: string; outcome: Outcome }[] {
  const replies: { id: number; sid: string; outcome: Outcome }[] = [];
  decodeReplies(
    text,
    reader((id, sid, given) => replies.push({ id, sid, outcome: given })),
  );
  return replies;
}

test("replies come back as they were, in their order, whatever their ids", (t) => {
  const replies = fc.array(fc.record({ id: fc.integer({ min: 1, max: 20 }), outcome }));
  fc.assert(
    fc.property(fc.string(), replies, (sid, given) => {
      const writer = new ReplyWriter(sid);
      for (const reply of given) writer.add(reply.id, reply.outcome);

      const read = repliesIn(writer.end());

      t.deepEqual(
        read,
        given.map((reply) => ({ ...reply, sid })),
      );
    }),
  );
});

test("replies to requests that follow each other, with the same outcome, are one line", (t) => {
  const writer = new ReplyWriter("s1");
  for (let id = 7; id <= 70; id++) writer.add(id, { answer: { delivered: 100, failed: [] } });
  writer.add(71, { answer: { delivered: 99, failed: [] } });

  t.is(writer.end(), '"s1"\n7-70 100\n71 99');
});

test("more of them than a line may be for are several lines", (t) => {
  const writer = new ReplyWriter("s1");
  for (let id = 1; id <= 25_000; id++) writer.add(id, { answer: { delivered: 1, failed: [] } });
  const text = writer.end();

  t.is(text.split("\n").length, 4);
  t.is(repliesIn(text).length, 25_000);
});

test("a range that nobody has written is refused", (t) => {
  for (const line of [
    "1-99999999999 5",
    "1-x 5",
    "x 5",
    "1-Infinity 5",
    "9999999999999999 5",
    "9007199254740991-9007199254740993 5",
    "5",
    "1-2-",
    "",
  ]) {
    t.throws(
      () =>
        decodeReplies(
          `"s1"\n${line}`,
          reader(() => t.fail(line)),
        ),
      { instanceOf: SyntaxError },
      line,
    );
  }
});

test("what is said about missed requests comes back as it was, between the replies", (t) => {
  const writer = new ReplyWriter('s "1"\n');
  writer.add(1, { answer: { delivered: 3, failed: [] } });
  writer.addMissed();
  writer.add(2, { answer: { delivered: 3, failed: [] } });
  writer.addMissed([5, 7, 1_000_000]);

  const read: unknown[] = [];
  decodeReplies(writer.end(), {
    heardFrom: () => {},
    settle: (id) => read.push(id),
    mayHaveMissed: (sid) => read.push(["may have missed", sid]),
    missed: (sid, ids) => read.push(["missed", sid, ids]),
  });

  t.deepEqual(read, [1, ["may have missed", 's "1"\n'], 2, ["missed", 's "1"\n', [5, 7, 1_000_000]]]);
});

test("messages about earlier requests come back as they were, and are told from new requests", (t) => {
  const request = { type: "push", target: { uids: ["ann"] }, route: "chat", body: "?" } as const;
  const again = encodeRequest("caller", 7, request, AGAIN);
  const read: unknown[] = [];
  decodeRequests(again, (...given) => read.push(given));

  t.deepEqual(read, [["caller", 7, request]]);
  t.deepEqual(
    [again, encodeAsk("caller", [7]), encodeDone("caller"), encodeRequest("caller", 7, request)].map(signOf),
    [AGAIN, ASK, DONE, undefined],
  );
  for (const ids of [[], [7], [7, 9, 1_000_000]])
    t.deepEqual(decodeAsk(encodeAsk("caller", ids)), { from: "caller", ids });
  t.deepEqual(decodeAsk(encodeDone("caller")), { from: "caller", ids: [] });
  for (const text of [
    "?",
    "?\n",
    "?\ncaller\nx",
    "?\ncaller\n1,",
    "?\ncaller\n-1",
    "?\ncaller\n1.5",
    "?\ncaller\n1e400",
  ]) {
    t.throws(() => decodeAsk(text), { instanceOf: SyntaxError }, text);
  }
});

test("text that nobody has written is refused, or read within bounds", (t) => {
  const near = fc.stringMatching(/^("s1"|"|x)?\n?([0-9]{0,16}-?[0-9]{0,16} ?[0-9{}"]{0,9}\n?){0,5}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      let replies = 0;
      try {
        decodeReplies(
          text,
          reader(() => replies++),
        );
      } catch (error) {
        t.true(error instanceof SyntaxError, String(error));
      }
      t.true(replies <= 10_000 * text.length);

      let requests = 0;
      try {
        decodeRequests(text, () => requests++);
      } catch (error) {
        t.true(error instanceof SyntaxError || error instanceof TypeError, String(error));
      }
      t.true(requests <= text.length);
    }),
    { numRuns: 2000 },
  );
});

test("requests that nobody has written are refused before they are handled", (t) => {
  const other = '2 - {"type":"push","target":{"everyone":true},"route":"r"}';
  const texts = [
    ...["", "\n", "a.1.1\ncaller", "a.1.1\ncaller\n", "\ncaller\n1 - {}", `a.1.1\ncaller\n${other}`],
    // No body, no tab, no name, no names for all of the channels, no entry for one, no space after the channels.
    'a.1.1\ncaller\n1 0 "r"\t"a"',
    'a.1.1\ncaller\n1 0 "r"\n{}',
    'a.1.1\ncaller\n1 0 "r"\t\n{}',
    'a.1.1 b.1.1\ncaller\n1 0,1 "r"\t"a"\n{}',
    'a.1.1\ncaller\n1 1 "r"\t"a"\n{}',
    'a.1.1\ncaller\n10"r"\t"a"\n{}',
  ];
  for (const text of texts) t.throws(() => decodeRequests(text, () => t.fail(text)), undefined, JSON.stringify(text));

  const handled: number[] = [];
  const cutOff = `a.1.1\ncaller\n1 0 "r"\t"a"\n{}\n${other}`;
  t.throws(() => decodeRequests(cutOff, (_from, id) => handled.push(id)), { instanceOf: SyntaxError });
  t.deepEqual(handled, [1]);
});

test("a request that is no fused push comes back as it was, whatever its body", (t) => {
  for (const id of [7, -7]) {
    for (const body of ["", "\n", "a\n\nb\n", "1 - {}\n", "{}"]) {
      const request = { type: "push", target: { uids: ["ann"] }, route: "chat", body } as const;
      const read: unknown[] = [];
      decodeRequests(encodeRequest("caller", id, request), (...given) => read.push(given));
      t.deepEqual(read, [["caller", id, request]]);
    }
  }
});

test("pushes of one message come back as they were, whether their headers are alike or not", (t) => {
  const channels = ["a", "b", 'c"\t\n', "d"];
  // As Redis and memory make them.
  const epoch = fc.oneof(fc.stringMatching(/^[0-9a-f]{17}$/), fc.stringMatching(/^[\w-]{12}$/));
  const push = fc.record({
    names: fc.uniqueArray(fc.constantFrom(...channels), { minLength: 1 }),
    route: fc.constantFrom("chat", 'odd"\n\troute', ""),
    body: fc.json().map((json) => JSON.stringify(JSON.parse(json))),
    except: fc.oneof(fc.constant([]), fc.array(fc.string({ minLength: 1 }), { minLength: 1 })),
    requestId: fc.integer({ min: -1000, max: 1000 }),
    id: fc.option(fc.oneof(fc.string(), fc.constantFrom("\t", "\n", '"', "{")), { nil: undefined }),
    kept: fc.uniqueArray(fc.record({ name: fc.constantFrom(...channels), epoch, offset: fc.maxSafeNat() }), {
      selector: ({ name }) => name,
    }),
  });
  const entries = ["11.5", "-", "x-12.1", "7.0"];
  fc.assert(
    fc.property(fc.array(push, { minLength: 1, maxLength: 8 }), (pushes) => {
      const texts = pushes.map(({ requestId, names, kept, ...rest }) =>
        encodeFusedPush(
          requestId,
          names.map((name) => channels.indexOf(name)),
          { ...rest, names, positions: kept.filter(({ name }) => names.includes(name)) },
        ),
      );
      const read: { id: number; request: FrontendRequest }[] = [];
      decodeRequests(`${entries.join(" ")}\ncaller\n${texts.join("\n")}`, (from, id, request) => {
        t.is(from, "caller");
        read.push({ id, request });
      });

      const versions = new Map([
        ["a", "11"],
        ['c"\t\n', "x-12"],
        ["d", "7"],
      ]);
      t.deepEqual(
        read,
        pushes.map(({ requestId, names, route, body, except, id, kept }) => ({
          id: requestId,
          request: {
            type: "push",
            target: {
              channels: names
                .filter((name) => versions.has(name))
                .map((name) => ({ name, version: versions.get(name)! })),
            },
            route,
            body,
            except: except.length > 0 || id !== undefined ? except : undefined,
            // What may come out of several histories names all of its channels, those without members here last.
            ...(id !== undefined && {
              id,
              names: names.toSorted((one, other) => Number(one === "b") - Number(other === "b")),
            }),
            ...positionsAt(names, kept),
          },
        })),
      );
    }),
  );
});

function positionsAt(
  names: readonly string[],
  kept: readonly ChannelPosition[],
): Pick<FrontendRequest & { type: "push" }, "positions"> {
  const positions = names
    .filter((name) => name !== "b")
    .flatMap((name) => kept.filter((position) => position.name === name));
  return positions.length > 0 ? { positions } : {};
}

test("messages in a bundle come out as they were, in their order", (t) => {
  const anyText = fc.string({ unit: "binary" }).filter((text) => !text.startsWith("&"));
  const property = fc.property(fc.array(anyText, { minLength: 1, maxLength: 20 }), (texts) => {
    const bundle = encodeBundle(texts);
    t.is(signOf(bundle), "&");
    t.deepEqual(decodeBundle(bundle), texts);
  });
  t.notThrows(() => fc.assert(property));
});

test("a bundle that is cut off, too long, within another or no bundle is refused", (t) => {
  const bundle = encodeBundle(["one", "two"]);
  const nested = encodeBundle([bundle]);
  for (const wrong of [
    bundle.slice(0, -1),
    `${bundle}x`,
    nested,
    "&",
    "&\n",
    "& \n",
    "&3",
    "&-1\nab",
    "&1e1\n0123456789",
  ]) {
    t.throws(() => decodeBundle(wrong), { instanceOf: SyntaxError }, wrong);
  }
  const property = fc.property(fc.string({ unit: "binary" }), (text) => {
    try {
      return decodeBundle(`&${text}`).join("").length <= text.length;
    } catch (error) {
      return error instanceof SyntaxError;
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 1000 }));
});
