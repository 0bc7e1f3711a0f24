// What a page of an application does: it gets a token, connects with it, and shows what comes. Parameters of its URL say how.

/* global io */
const parameters = new URLSearchParams(location.search);
const options = parameters.has("transports") ? { transports: parameters.get("transports").split(",") } : {};
const log = document.querySelector("#log");

function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  log.append(line);
}

async function fetchToken() {
  const response = await fetch("/user/sockettoken");
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  const { token } = await response.json();
  return token;
}

/** As the pages of transom-socketio-internal did: with one token, which is good for one connection. */
async function connectOnce() {
  const token = parameters.get("token") ?? (await fetchToken());
  return io({ ...options, query: { token } });
}

/** With a new token for each connection. */
function connectAgainAndAgain() {
  const socket = io({
    ...options,
    auth: (callback) =>
      fetchToken().then(
        (token) => callback({ token }),
        (error) => {
          show(error.message);
          socket.disconnect();
        },
      ),
  });
  return socket;
}

async function start() {
  const socket = parameters.get("by") === "auth" ? connectAgainAndAgain() : await connectOnce();
  socket.on("connect", () => show("connect"));
  socket.on("connect_error", ({ message }) => show(`connect_error: ${message}`));
  // `active`: it will connect again by itself.
  socket.on("disconnect", (reason) => show(`disconnect: ${reason}${socket.active ? ", comes back" : ""}`));
  socket.on("news", ({ text }) => show(text));
}

start().catch((error) => show(error.message));
