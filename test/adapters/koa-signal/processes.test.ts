import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { DEFAULTS, eventually, numbers } from "../../cluster/cluster.js";
import { type NodeProcess, startProcess } from "../../support/process.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { TcpProxy } from "../../support/tcp-proxy.js";
import type { ServerProcess } from "./server-process.js";
import { openPeer, type Peer, postJson, send } from "./support.js";

// Three processes behind a balancer that gives each connection to the next of them. One test at a time: they are about time, too.

const PROCESSES = 3;

/** How long after its end a process may count, by its lease and the grace; and how soon after that it must be noticed. */
const NOTICED_WITHIN_MS = DEFAULTS.leaseMs + DEFAULTS.graceMs + 1000;

/** Long before a lease and the grace are over. */
const AT_ONCE_MS = 5000;

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

interface RunningServer {
  url: string;
  process: NodeProcess<ServerProcess>;
}

interface ServersOptions {
  /** Its way to Redis, of the first of them. @default a direct one */
  redisUrl?: string;
}

async function startServers(t: ExecutionContext, { redisUrl = store.url }: ServersOptions = {}) {
  const prefix = randomUUID();
  const servers = await Promise.all(
    numbers(PROCESSES).map(async (n): Promise<RunningServer> => {
      const args = [n === 1 ? redisUrl : store.url, prefix];
      const process = await startProcess<ServerProcess>(new URL("server-process.ts", import.meta.url), { args });
      t.teardown(() => process.kill());
      return { process, url: `http://127.0.0.1:${await process.call("start")}` };
    }),
  );
  let next = 0;
  const balancer = await TcpProxy.start(() => Number(new URL(servers[next++ % servers.length]!.url).port));
  t.teardown(() => balancer.stop());
  return { servers, url: `http://127.0.0.1:${balancer.port}` };
}

function peersOf(servers: readonly RunningServer[]): Promise<number[]> {
  return Promise.all(servers.map(({ process }) => process.call("peers")));
}

/** Peers of one swarm, in turn at each of the servers, and its initiator at the first one. */
async function openSwarm(t: ExecutionContext, servers: readonly RunningServer[], count: number) {
  const initiator = await openPeer(t, servers[0]!.url);
  const peers = await Promise.all(
    numbers(count).map((n) => openPeer(t, servers[n % servers.length]!.url, { id: initiator.id })),
  );
  await eventually(() => cids(initiator, "join").length === count, 5000);
  return { initiator, peers, id: initiator.id };
}

const cidOf = ({ cid }: Peer): string => cid;

/** The cids that came to an initiator with events of this name. */
function cids(initiator: Peer, event: "join" | "leave"): string[] {
  return initiator.messages(event).map((data) => (data as { cid: string }).cid);
}

async function statusOf(url: string): Promise<number> {
  return (await send(url)).status;
}

async function statusOfPost(url: string, body: object): Promise<number> {
  return (await postJson(url, body)).status;
}

/** Resolves after how many milliseconds all of these streams have ended. */
async function allEnded(peers: readonly Peer[]): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(peers.map(({ ended }) => ended));
  return performance.now() - startedAt;
}

test.serial("peers behind a balancer find each other as at one process", async (t) => {
  const { servers, url } = await startServers(t);
  const initiator = await openPeer(t, url);
  const { id, cid } = initiator;
  const peers: Peer[] = [];
  while (peers.length < 5) peers.push(await openPeer(t, url, { id }));
  t.deepEqual(await peersOf(servers), [2, 2, 2]);
  t.deepEqual(
    peers.map((peer) => peer.id),
    Array(5).fill(id),
  );
  await eventually(() => cids(initiator, "join").length === 5, 5000);
  t.deepEqual(
    initiator.events.slice(1).map(({ event, data }) => ({ event, data })),
    peers.map((peer) => ({ event: "join", data: { id, cid: cidOf(peer) } })),
  );

  t.is(await initiator.post("to all"), 200);
  for (const peer of peers) t.is(await initiator.post({ offer: cidOf(peer) }, cidOf(peer)), 200);
  for (const peer of peers) t.is(await peer.post({ answer: cidOf(peer) }, cid), 200);
  t.is(await peers[0]!.post("to all, too"), 200);

  const all = [initiator, ...peers];
  await eventually(() => all.every((peer) => peer.signals.includes("to all, too")), 5000);
  for (const peer of peers) t.deepEqual(peer.signals, ["to all", { offer: cidOf(peer) }, "to all, too"]);
  t.deepEqual(initiator.signals, ["to all", ...peers.map((peer) => ({ answer: cidOf(peer) })), "to all, too"]);
  for (const peer of peers) t.deepEqual([...peer.messages("join"), ...peer.messages("leave")], []);
  for (const { url: direct } of servers) {
    t.is(await statusOfPost(`${direct}/${id}`, { token: "0".repeat(32), data: 1 }), 401);
    t.is(await statusOfPost(`${direct}/${id}`, { token: initiator.token, data: 1, cid: "0".repeat(32) }), 404);
    t.is(await statusOfPost(`${direct}/${id}`, { token: initiator.token }), 400);
    t.is(await statusOf(`${direct}/${"0".repeat(32)}`), 404);
  }
});

test.serial(
  "a peer that leaves is told of, and reached no more; the end of the initiator is that of all",
  async (t) => {
    const { servers } = await startServers(t);
    const { initiator, peers, id } = await openSwarm(t, servers, 6);
    const [gone, ...others] = peers;

    gone!.close();
    await eventually(() => cids(initiator, "leave").length === 1, 5000);
    t.deepEqual(cids(initiator, "leave"), [cidOf(gone!)]);
    t.is(await gone!.post("from nobody"), 401);
    t.is(await initiator.post("to nobody", cidOf(gone!)), 404);

    initiator.close();
    t.true((await allEnded(others)) < AT_ONCE_MS);
    for (const { url } of servers) t.is(await statusOf(`${url}/${id}`), 404);
    for (const { process } of servers) {
      await eventually(async () => (await process.call("count", `signal:${id}`)) === 0, 5000);
    }
    t.deepEqual(await peersOf(servers), [0, 0, 0]);
  },
);

test.serial(
  "a process that stops takes its peers out at once, and ends the swarms that they have opened",
  async (t) => {
    const { servers } = await startServers(t);
    const [first, second] = [await openSwarm(t, servers, 6), await openSwarm(t, servers.toReversed(), 6)];

    await servers[0]!.process.call("stop");

    t.true((await allEnded(first.peers)) < AT_ONCE_MS);
    // Those of the second swarm that were there, as the third of the reversed ones.
    const left = second.peers.filter((_peer, index) => (index + 1) % PROCESSES === 2);
    await allEnded(left);
    await eventually(() => cids(second.initiator, "leave").length === left.length, 5000);
    t.deepEqual(cids(second.initiator, "leave").toSorted(), left.map(cidOf).toSorted());
    t.is(await statusOf(`${servers[1]!.url}/${first.id}`), 404);
    t.is(await second.initiator.post("to who is left"), 200);
    const stayed = second.peers.filter((peer) => !left.includes(peer));
    await eventually(() => stayed.every((peer) => peer.signals.length === 1), 5000);
    t.is(await statusOf(`${servers[0]!.url}/${second.id}`), 503);
  },
);

test.serial("the swarms of a killed process end everywhere within lease and grace, and no others do", async (t) => {
  const { servers } = await startServers(t);
  const [dead, living] = [await openSwarm(t, servers, 6), await openSwarm(t, servers.toReversed(), 6)];

  const killed = servers[0]!.process.kill();

  const ended = allEnded(dead.peers);
  await killed;
  const ms = await ended;
  t.true(ms < NOTICED_WITHIN_MS, `${ms} ms`);
  t.is(await statusOf(`${servers[1]!.url}/${dead.id}`), 404);
  const lost = living.peers.filter((_peer, index) => (index + 1) % PROCESSES === 2);
  await eventually(() => cids(living.initiator, "leave").length >= lost.length, 5000);
  t.deepEqual(cids(living.initiator, "leave").toSorted(), lost.map(cidOf).toSorted());
  t.is(await living.initiator.post("to who is left"), 200);
  const stayed = living.peers.filter((peer) => !lost.includes(peer));
  await eventually(() => stayed.every((peer) => peer.signals.length === 1), 5000);
  t.is(stayed.length, 4);
});

test.serial("what a process has missed while it was cut off from Redis it makes up for", async (t) => {
  const way = await TcpProxy.start(store.port);
  t.teardown(() => way.stop());
  const { servers } = await startServers(t, { redisUrl: `redis://127.0.0.1:${way.port}` });
  const [cutOff, ...others] = servers;
  // At the one that is cut off: the initiator of the first swarm, and peers of both.
  const first = await openSwarm(t, servers, 3);
  const second = await openSwarm(t, [others[0]!, cutOff!], 2);
  const [leaver] = first.peers;
  const [orphan] = second.peers;

  way.refuse();
  way.cut();
  leaver!.close();
  second.initiator.close();
  const late = await openPeer(t, others[1]!.url, { id: first.id });
  await eventually(async () => (await others[1]!.process.call("count", `signal:${second.id}:initiator`)) === 0, 5000);
  way.heal();

  // Who is missing twice, 10 s apart, is gone.
  await eventually(() => cids(first.initiator, "leave").length === 1, 40_000);
  t.deepEqual(cids(first.initiator, "leave"), [cidOf(leaver!)]);
  t.deepEqual(cids(first.initiator, "join").slice(3), [cidOf(late)]);
  await orphan!.ended;
  t.is(await first.initiator.post("still here"), 200);
  await eventually(() => first.peers[1]!.signals.length === 1, 5000);
});

test.serial("1,000 peers of one swarm get each signal once, in order", async (t) => {
  const { servers, url } = await startServers(t);
  const initiator = await openPeer(t, url);
  const { id } = initiator;
  const peers: Peer[] = [];
  while (peers.length < 1000) peers.push(...(await Promise.all(numbers(50).map(() => openPeer(t, url, { id })))));
  await eventually(() => cids(initiator, "join").length === peers.length, 10_000);
  t.deepEqual(cids(initiator, "join").toSorted(), peers.map(cidOf).toSorted());
  for (const count of await peersOf(servers)) t.true(count === 333 || count === 334);

  const sent = numbers(20);
  for (const n of sent) t.is(await initiator.post(n), 200);

  const all = [initiator, ...peers];
  await eventually(() => all.every((peer) => peer.signals.length >= sent.length), 20_000);
  for (const peer of all) t.deepEqual(peer.signals, sent);
  initiator.close();
  await allEnded(peers);
});
