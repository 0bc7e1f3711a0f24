// A transport that lets some requests be overtaken.
import { setTimeout as sleep } from "node:timers/promises";

import { changeHandling } from "./requests.js";

let requests = 0;

changeHandling((handler) => async (request) => {
  if (++requests % 5 === 0) await sleep(300);
  return handler(request);
});
