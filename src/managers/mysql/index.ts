export { MysqlChannelManager } from "./manager.js";
export type { MysqlChannelManagerOptions, MysqlSource } from "./options.js";
export { mysqlTables } from "./tables.js";
