import test from "ava";
import { parsePositions } from "../../src/connectors/given-positions.js";
import { encodeChannels, encodeEventId, readChannels } from "../../src/connectors/sse/event-id.js";
import type { AnyRequest } from "../../src/connectors/sse/http-types.js";
import { keptMessageFrame, positionFrame } from "../../src/connectors/websocket/frames.js";
import { textIn } from "./websocket-support.js";

// What a client is told of where it is, it says when it comes back.

const ROOM = { name: "room: 1/2", epoch: "4f2a", offset: 17, had: ["Ab-_09", "x"] };
const HALL = { name: "__proto__", epoch: "-_", offset: 0 };

function fieldsOf(frame: Buffer): [string, unknown][] {
  const { positions } = JSON.parse(textIn(frame)) as { positions: object };
  return Object.entries(positions);
}

function told({ name, epoch, offset, had }: typeof ROOM | (typeof HALL & { had?: undefined })) {
  return [name, { epoch, offset, had }] as const;
}

test("over WebSocket", (t) => {
  const fields = fieldsOf(keptMessageFrame({ route: "chat", body: "1", positions: [HALL] }, [ROOM]));

  t.deepEqual(fields, [
    ["__proto__", ["-_", 0]],
    ["room: 1/2", ["4f2a", 17, "Ab-_09.x"]],
  ]);
  t.deepEqual(fieldsOf(positionFrame(ROOM, true)), fields.slice(1));
  t.deepEqual(new Map(parsePositions(JSON.stringify(Object.fromEntries(fields)))), new Map([told(HALL), told(ROOM)]));
});

for (const had of ["", ".", "a..b", "a b", 1, null, ["a"], "x".repeat(20_000)]) {
  test(`over WebSocket, ${JSON.stringify(had).slice(0, 20)} is no third part of a position`, (t) => {
    t.throws(() => parsePositions(JSON.stringify({ room: ["e", 1, had] })), { code: "GC_INVALID_ARGUMENT" });
  });
}

test("over Server-Sent Events", (t) => {
  const id = encodeEventId(undefined, encodeChannels([ROOM, HALL]));

  const { positions } = readChannels({ headers: { "last-event-id": id } } as unknown as AnyRequest);

  t.deepEqual(new Map(positions), new Map([told(ROOM), told(HALL)]));
});
