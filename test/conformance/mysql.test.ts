import { channelManagerConformance, type MakeHarness } from "../../src/conformance/index.js";
import { MysqlChannelManager } from "../../src/managers/mysql/index.js";
import type { ChannelManager } from "../../src/types.js";
import { mysqlTest as test, useMysql } from "../support/mysql-tests.js";

const mysql = useMysql();

/** Instances with connections of their own, as in different processes. */
const byUrl: MakeHarness<ChannelManager> = async () => {
  const database = await mysql.createDatabase();
  return {
    open: () => new MysqlChannelManager(database.url),
    interrupt: () => database.cut(),
    close: () => database.drop(),
  };
};

for (const { name, run } of channelManagerConformance()) {
  test(`manager: ${name}`, (t) => t.notThrowsAsync(run(byUrl)));
}
