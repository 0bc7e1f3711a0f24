import assert from "node:assert/strict";
import type { ManagerWith } from "./manager-case.js";

interface Paging {
  /** How many uids a page is asked for. */
  limit: number;
  /** @default "s1" */
  sid?: string;
  /** More pages than there can be, if the cursor comes to the end. @default 10000 */
  maxPages?: number;
  /** Called with the number of pages so far, before another one is asked for. */
  betweenPages?: ((pages: number) => Promise<unknown> | undefined) | undefined;
}

/** The pages of `room` at a frontend, from the first to the last. */
export async function readPages(
  manager: ManagerWith<"queries">,
  { limit, sid = "s1", maxPages = 10_000, betweenPages }: Paging,
): Promise<string[][]> {
  const pages: string[][] = [];
  for (let cursor = ""; ;) {
    const page = await manager.scanMembers("room", sid, cursor, limit);
    pages.push(page.uids);
    cursor = page.cursor;
    assert.ok(pages.length < maxPages, "the cursor never comes to the end");
    if (cursor === "") return pages;
    await betweenPages?.(pages.length);
  }
}
