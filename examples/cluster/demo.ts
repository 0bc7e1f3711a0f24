// What the demo shows. Before it prints what has happened, it compares that with what had to happen; a difference ends it.
import type { MembershipEvent, PushReport } from "../../src/index.js";
import { Audience } from "./audience.js";
import type { BackendApi } from "./backend.js";
import type { Cleanup } from "./cleanup.js";
import { expectEqual } from "./expect.js";
import type { FrontendApi } from "./frontend.js";
import type { Server } from "./launcher.js";
import { printLine, printStep } from "./print.js";
import { GRACE_MS, LEASE_MS } from "./settings.js";

export interface Servers {
  backend: Server<BackendApi>;
  frontends: Map<string, Server<FrontendApi>>;
  /** Whether each of them is a process of its own. */
  separate: boolean;
}

/** Who is connected where. Frank is in no channel. */
const USERS = {
  "connector-1": ["alice", "bob"],
  "connector-2": ["carol", "dave"],
  "connector-3": ["erin", "frank"],
};
export const SIDS = Object.keys(USERS);

const MEMBERS = [
  { name: "lobby", uid: "alice", sid: "connector-1" },
  { name: "lobby", uid: "bob", sid: "connector-1" },
  { name: "lobby", uid: "carol", sid: "connector-2" },
  { name: "lobby", uid: "dave", sid: "connector-2" },
  { name: "lobby", uid: "erin", sid: "connector-3" },
  { name: "red", uid: "alice", sid: "connector-1" },
  { name: "red", uid: "erin", sid: "connector-3" },
];

export async function runDemo({ backend, frontends, separate }: Servers, cleanup: Cleanup): Promise<void> {
  const audience = new Audience();
  cleanup.add(() => audience.close());
  let pushes = 0;

  async function connect(uid: string, sid: string): Promise<void> {
    await audience.connect(uid, await frontends.get(sid)!.call("url"));
  }

  /** Pushes to channels. Of their members, `receivers` have to get it, and `lost` have to be told of in the report. */
  async function push(channels: string[], expected: { receivers: string[]; lost?: string[]; except?: string[] }) {
    const { receivers, lost = [], except = [] } = expected;
    const message = { route: "onChat", msg: { text: `message ${++pushes}` } };
    const last = { route: "onLast", msg: pushes };

    const report = await backend.call("push", channels, message.route, message.msg, except);
    await backend.call("broadcast", last.route, last.msg);
    const received = await audience.receiversOf(message, last);

    expectEqual(`who received ${message.msg.text}`, received, receivers);
    checkReport(report, receivers.length, lost);
    printLine("received by", received.join(", "));
    printLine("not by", audience.uids.filter((uid) => !received.includes(uid)).join(", "));
    printReport(report);
  }

  async function members(channel: string, expected: string[]): Promise<void> {
    const uids = (await backend.call("members", channel)).toSorted();
    const count = await backend.call("count", channel);
    expectEqual(`the members of ${channel}`, uids, expected);
    expectEqual(`the number of members of ${channel}`, count, expected.length);
    printLine(channel, count === 0 ? "empty" : `${count} members: ${uids.join(", ")}`);
  }

  async function leaves(expected: string[]): Promise<void> {
    const left = (await backend.call("leaves", expected.length)).map(describe).toSorted();
    expectEqual("who left", left, expected);
    for (const line of left) printLine("leave event", line);
  }

  printStep("Users connect to three frontends by WebSocket");
  for (const [sid, uids] of Object.entries(USERS)) {
    for (const uid of uids) await connect(uid, sid);
    const server = frontends.get(sid)!;
    printLine(sid, `${await server.call("url")}  ${server.place}  ${uids.join(", ")}`);
  }
  printLine("backend", backend.place);

  printStep("The backend adds users to channels; frank is in none");
  expectEqual("how many were added", await backend.call("addMany", MEMBERS), MEMBERS.length);
  await members("lobby", ["alice", "bob", "carol", "dave", "erin"]);
  await members("red", ["alice", "erin"]);

  printStep("It pushes to lobby");
  await push(["lobby"], { receivers: ["alice", "bob", "carol", "dave", "erin"] });

  printStep("It pushes to lobby and red, except to bob: one copy for each user");
  await push(["lobby", "red"], { receivers: ["alice", "carol", "dave", "erin"], except: ["bob"] });

  const frontend = frontends.get("connector-2")!;
  printStep(
    separate
      ? `SIGKILL for connector-2 (${frontend.place}): the next push to lobby tells who is lost`
      : "connector-2 stops, and its members leave (nothing can be killed here; with Redis the push tells who is lost)",
  );
  await frontend.kill();
  await audience.lose(USERS["connector-2"]);
  await push(["lobby"], { receivers: ["alice", "bob", "erin"], lost: separate ? ["carol", "dave"] : [] });

  printStep("Carol connects again, to connector-3, and is added there");
  await connect("carol", "connector-3");
  await backend.call("addMany", [{ name: "lobby", uid: "carol", sid: "connector-3" }]);

  const reason = separate ? "server-down" : "disconnect";
  printStep(
    separate
      ? `No ghosts: after its lease (${LEASE_MS / 1000} s) and a grace (${GRACE_MS / 1000} s) connector-2's members leave`
      : "No ghosts: connector-2's members have left",
  );
  await leaves([`lobby: carol at connector-2 (${reason})`, `lobby: dave at connector-2 (${reason})`]);
  await members("lobby", ["alice", "bob", "carol", "erin"]);
  await push(["lobby"], { receivers: ["alice", "bob", "carol", "erin"] });

  printStep("Alice leaves lobby");
  await backend.call("leave", "lobby", "alice", "connector-1");
  // Only this one: nobody has left twice.
  await leaves(["lobby: alice at connector-1 (leave)"]);
  await push(["lobby"], { receivers: ["bob", "carol", "erin"] });

  printStep("Everyone disconnects, and so leaves what they were in");
  audience.close();
  await leaves([
    "lobby: bob at connector-1 (disconnect)",
    "lobby: carol at connector-3 (disconnect)",
    "lobby: erin at connector-3 (disconnect)",
    "red: alice at connector-1 (disconnect)",
    "red: erin at connector-3 (disconnect)",
  ]);
  await members("lobby", []);
  await members("red", []);
}

/** In a report every targeted member is delivered, failed or unknown (no answer in time), and who is not delivered is named. */
function checkReport(report: PushReport, delivered: number, lost: string[]): void {
  expectEqual("targeted", report.targeted, delivered + lost.length);
  expectEqual("delivered", report.delivered, delivered);
  expectEqual("failed or unknown", report.failed + report.unknown, lost.length);
  expectEqual("failIds", report.failIds.toSorted(), lost);
}

function printReport({ targeted, delivered, failed, unknown, failIds, frontends }: PushReport): void {
  printLine("report", `${targeted} targeted = ${delivered} delivered + ${failed} failed + ${unknown} unknown`);
  if (failIds.length > 0) printLine("failIds", failIds.toSorted().join(", "));
  for (const { sid, error } of frontends) {
    if (error) printLine(sid, error.message);
  }
}

function describe({ name, uid, sid, reason }: MembershipEvent): string {
  return `${name}: ${uid} at ${sid} (${reason})`;
}
