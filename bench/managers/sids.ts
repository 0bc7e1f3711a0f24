import { sidsOf } from "../support/names.js";

export const SIDS = sidsOf(4);
