import test from "ava";
import { messageKeysOf, RpcIds } from "../../../src/adapters/snapper/wire/rpc-ids.js";

test("ids › are unique, among all producers", (t) => {
  const ids = [new RpcIds(), new RpcIds()].flatMap((maker) => Array.from({ length: 1000 }, () => maker.next()));

  t.is(new Set(ids).size, 2000);
});

test("ids › give a key for each message", (t) => {
  const id = new RpcIds().next();

  const keyOf = messageKeysOf(id)!;

  t.deepEqual([keyOf(0), keyOf(49)], [`${id}:0`, `${id}:49`]);
});

test("ids › of other clients give none: others may have the same", (t) => {
  const id = new RpcIds().next();
  const others = [undefined, null, 1, "", "1abc:5", "gc:1:1", `${id}:0`, `x${id}`, `${id}\n`, id.slice(0, -2), [id]];

  for (const other of others) t.is(messageKeysOf(other), undefined, String(other));
});
