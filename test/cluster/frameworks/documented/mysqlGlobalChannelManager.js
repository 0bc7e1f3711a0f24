// A manager as an application of the original has one. Its table is in this process instead of in MySQL.
const { connect } = require("node:net");

module.exports = function mysqlGlobalChannelManager(_app, { host, port }) {
  let rows = [];
  return {
    start(done) {
      const connection = connect(port, host, () => {
        connection.destroy();
        done();
      });
      connection.once("error", done);
    },
    add(name, uid, sid, done) {
      rows.push({ name, uid, sid });
      setImmediate(() => done(null));
    },
    leave(name, uid, sid, done) {
      rows = rows.filter((row) => row.name !== name || row.uid !== uid || row.sid !== sid);
      setImmediate(() => done(null));
    },
    getMembersBySid(name, sid, done) {
      const found = rows.filter((row) => row.name === name && row.sid === sid).map(({ uid }) => uid);
      setImmediate(() => done(null, found));
    },
    destroyChannel(name, done) {
      rows = rows.filter((row) => row.name !== name);
      setImmediate(() => done(null));
    },
  };
};
