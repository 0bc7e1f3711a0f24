// What a page of an application does: it opens a swarm, or joins one, shows what comes, and sends what is typed. Parameters of its URL
// say how.
import { readEvents } from "./events.js";

const parameters = new URLSearchParams(location.search);
const server = parameters.get("server") ?? location.origin;
const streamUrl = `${server}/${parameters.get("swarm") ?? ""}`;
const EVENTS = ["connect", "join", "leave", "signal", "gap"];

/** Of this peer: `{id, cid, token}`. */
let self;
/** The connections to other peers, and those that are being made, by the peer's `cid`. */
const connections = new Map();
const channels = new Set();
let sent = Promise.resolve();
let handled = Promise.resolve();

function show(text, list = "log") {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector(`#${list}`).append(line);
}

/** Sends signals one after the other: so they come in their order. */
function send({ data, cid }) {
  const { id, token } = self;
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, data, cid }),
  };
  sent = sent
    .then(() => fetch(`${server}/${id}`, request))
    .then(
      ({ status }) => status !== 200 && show(`not sent: ${status}`),
      (error) => show(`not sent: ${error}`),
    );
}

function connectionTo(cid) {
  let connection = connections.get(cid);
  if (!connection) {
    connections.set(cid, (connection = new RTCPeerConnection()));
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) send({ cid, data: { from: self.cid, candidate } });
    });
    connection.addEventListener("datachannel", ({ channel }) => talkOver(channel));
  }
  return connection;
}

async function describeTo(cid, connection) {
  await connection.setLocalDescription();
  send({ cid, data: { from: self.cid, description: connection.localDescription } });
}

async function offerTo(cid) {
  const connection = connectionTo(cid);
  talkOver(connection.createDataChannel("talk"));
  await describeTo(cid, connection);
}

async function negotiate({ from, description, candidate }) {
  const connection = connectionTo(from);
  if (description) await connection.setRemoteDescription(description);
  if (description?.type === "offer") await describeTo(from, connection);
  if (candidate) await connection.addIceCandidate(candidate);
}

function talkOver(channel) {
  channel.addEventListener("open", () => {
    channels.add(channel);
    show("open", "talk");
  });
  channel.addEventListener("message", ({ data }) => show(data, "talk"));
}

async function handle(type, msg) {
  if (type === "connect") self = msg;
  else if (type === "join" && parameters.has("offer")) await offerTo(msg.cid);
  else if (type === "signal" && msg?.from) await negotiate(msg);
}

function take({ type, data }) {
  const msg = JSON.parse(data);
  show(`${type} ${typeof msg === "string" ? msg : data}`);
  handled = handled.then(() => handle(type, msg)).catch((error) => show(String(error)));
}

/** Comes back by itself when the connection is lost. */
function listen() {
  const source = new EventSource(streamUrl);
  source.addEventListener("open", () => show("open"));
  source.addEventListener("error", () => {
    show(source.readyState === EventSource.CLOSED ? "closed" : "lost, comes back");
  });
  for (const type of EVENTS) source.addEventListener(type, take);
}

async function read() {
  const response = await fetch(streamUrl, { headers: { Accept: "text/event-stream" } });
  show(`open: ${response.status}`);
  if (!response.ok) return;
  for await (const event of readEvents(response)) take(event);
  show("ended");
}

function onSubmit(form, use) {
  const element = document.querySelector(form);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    use(element.querySelector("textarea").value);
  });
}

onSubmit("#signal", (text) => send(JSON.parse(text)));
onSubmit("#message", (text) => {
  for (const channel of channels) channel.send(text);
});
if (parameters.get("by") === "EventSource") listen();
else read().catch((error) => show(String(error)));
