import type { Page } from "playwright-core";

/** A page of an application, and what it shows: a line for each thing that happens. */
export class Visit {
  /** What the browser says is wrong, such as what the page's policy refuses. */
  readonly problems: string[] = [];

  constructor(readonly page: Page) {
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  async open(url: string, parameters: Partial<Record<string, string>> = {}): Promise<void> {
    await this.page.goto(`${url}?${new URLSearchParams(parameters as Record<string, string>).toString()}`);
  }

  /** What it shows, once that is `count` lines; those that it shows after a while, if they are fewer. */
  async shown(count: number, list = "#log"): Promise<string[]> {
    const lines = this.page.locator(`${list} > li`);
    // Whoever compares them sees which are there.
    await lines
      .nth(count - 1)
      .waitFor({ state: "attached" })
      .catch(() => {});
    return lines.allTextContents();
  }
}
