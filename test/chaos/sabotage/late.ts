// A service whose pushes settle long after their deadlines, and call back twice.
import { setTimeout as sleep } from "node:timers/promises";

import { GlobalChannelService } from "../../../src/index.js";

const { pushMessage } = GlobalChannelService.prototype;

GlobalChannelService.prototype.pushMessage = async function (stype, route, msg, name, options, callback) {
  const report = await pushMessage.call(this, stype, route, msg, name, options, (error, failIds) => {
    callback?.(error, failIds);
    callback?.(error, failIds);
  });
  await sleep(2000);
  return report;
};
