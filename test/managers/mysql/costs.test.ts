import { createPool } from "mysql2";
import { MysqlChannelManager } from "../../../src/managers/mysql/index.js";
import { mysqlTest as test, useMysql } from "../../support/mysql-tests.js";
import { MysqlProxy } from "./proxy.js";

const mysql = useMysql();

/** What each call costs, in round trips: with several statements in one, and with single statements. */
async function costsOf(multipleStatements: boolean): Promise<Record<string, number>> {
  const database = await mysql.createDatabase();
  const proxy = await MysqlProxy.start(database.url);
  const pool = createPool({ uri: proxy.url, multipleStatements });
  const manager = new MysqlChannelManager(pool);
  const costs: Record<string, number> = {};
  const cost = async (what: string, call: () => Promise<unknown>): Promise<void> => {
    const before = proxy.statements;
    await call();
    costs[what] = proxy.statements - before;
  };
  const members = (count: number, name: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => ({ name: name(index), uid: `u${index}`, sid: `s${index % 4}` }));
  try {
    await manager.start();
    // Frontends that are known, and connections that are open.
    await manager.addMany(members(8, () => "warm"));

    await cost("add", () => manager.add("warm", "ann", "s1"));
    await cost("100 adds at once", () =>
      Promise.all(members(100, () => "warm").map(({ name, uid, sid }) => manager.add(name, uid, sid))),
    );
    await cost("leave", () => manager.leave("warm", "ann", "s1"));
    await cost("first add", () => manager.add("new", "ann", "s1"));
    await cost("last leave", () => manager.leave("new", "ann", "s1"));
    await cost("addMany of 10,000", () => manager.addMany(members(10_000, () => "large")));
    await cost("addMany to 2,000 channels", () => manager.addMany(members(2000, (index) => `room${index}`)));
    await cost("leaveMany of 10,000", () => manager.leaveMany(members(10_000, () => "large")));
    await cost("getMembersBySid", () => manager.getMembersBySid("warm", "s1"));
    await cost("getMemberSets", () => manager.getMemberSets("warm"));
    await cost("getMemberSets with copies", () => manager.getMemberSets("warm", new Map([["s1", undefined]])));
    await cost("findMember", () => manager.findMember("warm", "u1"));
    await cost("scanMembers", () => manager.scanMembers("warm", "s1", "", 10));
    await cost("getSessions of 1,000", () => manager.getSessions(members(1000, () => "").map(({ uid }) => uid)));
    await cost("getServers", () => manager.getServers());
    return costs;
  } finally {
    await manager.stop(true);
    pool.end(() => {});
    await proxy.stop();
    await database.drop();
  }
}

const READS = {
  getMembersBySid: 1,
  getMemberSets: 1,
  "getMemberSets with copies": 2,
  findMember: 1,
  scanMembers: 1,
  "getSessions of 1,000": 1,
  getServers: 1,
};

test("round trips are few, and do not grow with the members or channels of a call", async (t) => {
  const costs = await costsOf(true);
  t.log(JSON.stringify(costs));

  t.like(costs, { add: 3, "100 adds at once": 3, leave: 3, "first add": 3, "last leave": 4, ...READS });
  for (const call of ["addMany of 10,000", "addMany to 2,000 channels", "leaveMany of 10,000"]) {
    t.true(costs[call]! <= 6, `${call}: ${costs[call]}`);
  }
});

test("with single statements they are more, and grow no faster than what is sent", async (t) => {
  const costs = await costsOf(false);
  t.log(JSON.stringify(costs));

  t.like(costs, { add: 10, "100 adds at once": 10, leave: 10, "first add": 12, "last leave": 14, ...READS });
  for (const call of ["addMany of 10,000", "addMany to 2,000 channels", "leaveMany of 10,000"]) {
    t.true(costs[call]! <= 30, `${call}: ${costs[call]}`);
  }
});
