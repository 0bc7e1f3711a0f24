import test from "ava";

import { messageFrame } from "../../src/connectors/websocket/frames.js";

// At these lengths the form of the header changes: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
for (const [length, header] of [
  [30, "811e"],
  [125, "817d"],
  [126, "817e007e"],
  [65_535, "817effff"],
  [65_536, "817f0000000000010000"],
] as const) {
  test(`a message of ${length} bytes has the shortest header`, (t) => {
    const body = JSON.stringify("x".repeat(length - '{"route":"r","msg":""}'.length));

    const frame = messageFrame({ route: "r", body });

    t.is(frame.subarray(0, -length).toString("hex"), header);
    t.is(frame.subarray(-length).toString(), `{"route":"r","msg":${body}}`);
  });
}
