import type { History, Violation } from "../history.js";
import { checkDeliveries, mustGet } from "./deliveries.js";
import { Disturbances } from "./disturbances.js";
import { checkEvents, countKilled } from "./events.js";
import { checkMembership } from "./membership.js";
import { Memberships } from "./memberships.js";
import { checkOrder } from "./order.js";
import { checkProcesses } from "./processes.js";
import { checkReports } from "./reports.js";

/** How much there was to find: a check that never applies proves nothing. */
export interface Checked {
  /** How many receptions had to be. */
  receptions: number;
  /** How many `server-down` events had to be. */
  downs: number;
}

/** Everything in a history that must not be. */
export function check(history: History): Violation[] {
  return checkCounted(history).violations;
}

export function checkCounted(history: History): { violations: Violation[]; checked: Checked } {
  const disturbances = new Disturbances(history);
  const memberships = new Memberships(history, disturbances);
  const violations = [
    ...checkProcesses(history),
    ...checkReports(history),
    ...checkDeliveries(history, memberships, disturbances),
    ...checkOrder(history),
    ...checkMembership(history, memberships),
    ...checkEvents(history, memberships, disturbances),
  ];
  const receptions = history.pushes.map((push) => mustGet(push, history.endAt, memberships, disturbances).length);
  return {
    violations,
    checked: {
      receptions: receptions.reduce((sum, number) => sum + number, 0),
      downs: countKilled(history, memberships, disturbances),
    },
  };
}
