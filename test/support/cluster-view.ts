import type { RedisNode } from "./redis-node.js";

/** What one node says of its cluster. */
export interface ClusterView {
  isOk: boolean;
  /** Of a replica: whether it has all that its primary has. */
  isInSync: boolean;
  /** The ports of those that clients are sent to, or may read from. */
  named: ReadonlySet<number>;
  /** By port: all that run on 127.0.0.1, so that no two have the same. */
  nodes: ReadonlyMap<number, NodeView>;
}

/** What a node says of one, maybe of itself. */
export interface NodeView {
  id: string;
  port: number;
  isPrimary: boolean;
  /** Whether it is neither gone, as far as is known, nor about to join. */
  isUp: boolean;
  /** Of a replica: the id of its primary. */
  primaryId: string | undefined;
  epoch: number;
  /** The slots that it owns, as ranges: from, to. */
  slots: readonly (readonly [number, number])[];
}

/** How `CLUSTER NODES` names those that cannot be counted on. */
const NOT_UP = new Set(["fail", "fail?", "handshake", "noaddr"]);

/** Asks a node what it thinks of its cluster. */
export async function viewOf(node: RedisNode): Promise<ClusterView> {
  const [cluster, replication, ranges, nodes] = await Promise.all([
    node.info("CLUSTER", "INFO"),
    node.info("INFO", "replication"),
    node.call("CLUSTER", "SLOTS") as Promise<[number, number, ...[string, number][]][]>,
    node.call("CLUSTER", "NODES"),
  ]);
  return {
    isOk: cluster.get("cluster_state") === "ok",
    isInSync: replication.get("role") === "master" || replication.get("master_link_status") === "up",
    named: new Set(ranges.flatMap(([, , ...named]) => named.map(([, port]) => port))),
    nodes: parse(String(nodes)),
  };
}

/** Reads the answer of `CLUSTER NODES`. */
function parse(answer: string): ClusterView["nodes"] {
  const nodes = answer.trim().split("\n").map(parseLine);
  return new Map(nodes.map((node) => [node.port, node]));
}

function parseLine(line: string): NodeView {
  const [id, address, allFlags, primaryId, , , epoch, link, ...slots] = line.trim().split(" ");
  const flags = allFlags!.split(",");
  return {
    id: id!,
    port: Number(/:(\d+)@/.exec(address!)?.[1]),
    isPrimary: flags.includes("master"),
    isUp: link === "connected" && !flags.some((flag) => NOT_UP.has(flag)),
    primaryId: primaryId === "-" ? undefined : primaryId,
    epoch: Number(epoch),
    slots: slots.filter((slot) => !slot.startsWith("[")).map(parseRange),
  };
}

function parseRange(range: string): [number, number] {
  const [from, to = from] = range.split("-").map(Number);
  return [from!, to!];
}
