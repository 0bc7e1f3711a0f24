// What clients ask of a backend.
module.exports = (app) => ({
  say({ text }, session, next) {
    const channels = app.get("globalChannelService");
    channels.add("room", session.uid, session.frontendId, (added) => {
      if (added) next(added);
      else
        channels.pushMessage("connector", "chat", { text }, "room", {}, (error, failIds) => next(error, { failIds }));
    });
  },
});
