// What clients ask of a backend. Pomelo and Pinus load this file with `require`.
const { promisify } = require("node:util");

function say(app, { text }, session, done) {
  const channels = app.get("globalChannelService");
  channels.add("room", session.uid, session.frontendId, (added) => {
    if (added) done(added);
    else channels.pushMessage("connector", "chat", { text }, "room", {}, (error, failIds) => done(error, { failIds }));
  });
}

/** Pomelo's handlers call back. */
module.exports = (app) => ({
  say: (msg, session, next) => say(app, msg, session, next),
});

/** Those of Pinus return a promise. */
module.exports.default = (app) => ({
  say: (msg, session) => promisify(say)(app, msg, session),
});
