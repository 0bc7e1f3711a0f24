import test from "ava";
import * as fc from "fast-check";
import { encodeFrame } from "../../../src/adapters/snapper/wire/encode-frame.js";
import { FrameDecoder } from "../../../src/adapters/snapper/wire/frame-decoder.js";
import { parseJson } from "../../../src/adapters/snapper/wire/parse-json.js";

const MAX_BYTES = 4000;

/** What comes of bytes: the frames, as text, and whether it ends with a refusal. */
interface Outcome {
  frames: string[];
  isRefused: boolean;
}

/** Decodes bytes in these pieces. */
function decode(pieces: readonly Buffer[], maxFrameBytes = MAX_BYTES): Outcome {
  const decoder = new FrameDecoder(maxFrameBytes);
  const frames: string[] = [];
  try {
    for (const piece of pieces) {
      decoder.append(piece);
      for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(frame.toString("latin1"));
    }
    return { frames, isRefused: false };
  } catch {
    return { frames, isRefused: true };
  }
}

/** The same by looking at all of it again and again. */
function decodeSlowly(bytes: Buffer, maxFrameBytes = MAX_BYTES): Outcome {
  let rest = bytes.toString("latin1");
  const frames: string[] = [];
  for (;;) {
    const head = /^\$(\d{1,10})\r\n/.exec(rest);
    if (!head) {
      const isBegun = /^(?:|\$|\$\d{1,10}|\$\d{1,10}\r)$/.test(rest);
      const announced = Number(/^\$(\d{1,10})/.exec(rest)?.[1] ?? 0);
      return { frames, isRefused: !isBegun || announced > maxFrameBytes };
    }
    const length = Number(head[1]);
    if (length > maxFrameBytes) return { frames, isRefused: true };
    const body = rest.slice(head[0].length);
    if (!"\r\n".startsWith(body.slice(length, length + 2))) return { frames, isRefused: true };
    if (body.length < length + 2) return { frames, isRefused: false };
    frames.push(body.slice(0, length));
    rest = body.slice(length + 2);
  }
}

/** Cuts bytes into pieces of these lengths, again and again; `[]` is one piece. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
    const length = lengths.length > 0 ? lengths[turn % lengths.length]! : bytes.length;
    pieces.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return pieces;
}

const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 20 });
const frame = fc.string({ unit: "binary", maxLength: 300 }).map(encodeFrame);

test("frames › all of them come as they were, wherever the bytes are split", (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 1000 }), { maxLength: 8 }), cuts, (texts, lengths) => {
      const bytes = Buffer.concat(texts.map(encodeFrame));

      const { frames, isRefused } = decode(cut(bytes, lengths));

      const wanted = texts.map((text) => Buffer.from(text).toString("latin1"));
      t.deepEqual([frames, isRefused], [wanted, false]);
    }),
  );
  t.pass();
});

test("frames › whatever comes is judged as a simple reference does, wherever the bytes are split", (t) => {
  /** Pieces of frames, wrong by a little. */
  const noise = fc.oneof(
    frame,
    fc.constantFrom(
      "$",
      "\r\n",
      "\r",
      "\n",
      "$-1\r\n",
      "$5\r\n",
      "$0\r\n\r\n",
      "$00000000005\r\n",
      "*1\r\n",
      "+OK\r\n",
    ),
    fc.nat({ max: 5000 }).map((length) => `$${length}\r\n`),
    fc.uint8Array({ maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 6 }), cuts, (parts, lengths) => {
      const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)));

      t.deepEqual(decode(cut(bytes, lengths)), decodeSlowly(bytes));
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test("frames › one that announces too much is refused before any of it comes, one of just so much is not", (t) => {
  t.true(decode([Buffer.from("$4001")]).isRefused);
  t.true(decode([Buffer.from("$99999999999999999999")]).isRefused);
  t.false(decode([Buffer.from("$4000\r\n")]).isRefused);
});

test("frames › the time that byte after byte takes grows with their number, not with its square", (t) => {
  /** In milliseconds of this process, whatever others do. */
  const time = (length: number): number => {
    const bytes = encodeFrame("x".repeat(length));
    const decoder = new FrameDecoder(length);
    const piece = Buffer.alloc(1);
    let last: Buffer | undefined;
    const before = process.cpuUsage();
    for (const byte of bytes) {
      piece[0] = byte;
      decoder.append(piece);
      last = decoder.next();
    }
    const { user, system } = process.cpuUsage(before);
    t.is(last?.length, length);
    return (user + system) / 1000;
  };
  const best = (bytes: number): number => Math.min(...Array.from({ length: 3 }, () => time(bytes)));
  time(100_000);

  const small = best(20_000);
  const large = best(1_000_000);

  // 50 times as much; its square would be 2500 times.
  t.true(large < 500 * Math.max(small, 0.5), `${small} ms, ${large} ms`);
});

test("frames › memory is taken for what has come, not for what is announced", (t) => {
  const decoders = Array.from({ length: 1000 }, () => new FrameDecoder(100_000_000));
  const before = process.memoryUsage().arrayBuffers;

  for (const decoder of decoders) {
    decoder.append(Buffer.from("$100000000\r\nx"));
    decoder.next();
  }

  t.true(process.memoryUsage().arrayBuffers - before < 50_000_000);
});

test("json › is refused unless it is UTF-8, JSON, and nested 100 deep at most", (t) => {
  const nested = (depth: number, [open, close]: [string, string]) => open.repeat(depth) + close.repeat(depth);
  for (const brackets of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as [string, string][]) {
    const inside = brackets[0] === "[" ? nested(100, brackets) : nested(100, brackets).replace(":}", ":0}");
    t.notThrows(() => parseJson(Buffer.from(inside)));
    t.throws(() => parseJson(Buffer.from(`[${inside}]`)), { code: "GC_PROTOCOL_ERROR", message: /100 deep/ });
  }
  t.throws(() => parseJson(Buffer.from("[".repeat(1_000_000))), { code: "GC_PROTOCOL_ERROR" });
  t.deepEqual(parseJson(Buffer.from(JSON.stringify(["[".repeat(200), '\\"[['.repeat(200)]))), [
    "[".repeat(200),
    '\\"[['.repeat(200),
  ]);
  for (const bytes of ["", "{", "nul", '"\\', "\ufeff{}"]) {
    t.throws(() => parseJson(Buffer.from(bytes)), { code: "GC_PROTOCOL_ERROR" }, bytes);
  }
  for (const bytes of [[0xff], [0x22, 0xc0, 0xaf, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xe2, 0x82, 0x22]]) {
    t.throws(() => parseJson(Buffer.from(bytes)), { code: "GC_PROTOCOL_ERROR", message: /UTF-8/ });
  }
});
