// What clients ask of a connector first. Pomelo and Pinus load this file with `require`.
const { promisify } = require("node:util");

function enter(app, session, { uid }, done) {
  session.bind(uid, (error) => {
    if (error) done(error);
    else done(null, { code: 200, sid: app.getServerId() });
  });
}

/** Pomelo's handlers call back. */
module.exports = (app) => ({
  enter: (msg, session, next) => enter(app, session, msg, next),
});

/** Those of Pinus return a promise. */
module.exports.default = (app) => ({
  enter: (msg, session) => promisify(enter)(app, session, msg),
});
