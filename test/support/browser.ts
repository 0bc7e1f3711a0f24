import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { chromium, type Browser, type BrowserContext } from "playwright-core";

import { findChromium, noChromium, type FoundChromium } from "./find-chromium.js";
import { end, expectOutput, Keeper, type Child } from "./programs.js";

const START_TIMEOUT_MS = 60_000;

/** How long a test waits for what must come. */
const PATIENCE_MS = 20_000;

const OPTIONS = [
  "--headless",
  // Its sandbox refuses root, and needs what containers do not have. It loads what the tests serve, and nothing else.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // No page by itself: that of Debian's would load one of somebody's.
  "--no-startup-window",
  // Pages connect to each other where there may be no network but that of the machine itself: by its addresses, not by names for them
  // that would have to be asked for by multicast, and by the loopback one too.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--allow-loopback-in-peer-connection",
  "--remote-debugging-port=0",
];

const LISTENING = /DevTools listening on (ws:\S+)\s/;

const found = await findChromium();
if (!found) console.log(noChromium());

/** AVA's `test.serial`; where there is no browser, what is declared is skipped. */
export const browserTest: TestFn["serial"] | TestFn["serial"]["skip"] = found ? anyTest.serial : anyTest.serial.skip;

/** The browser that the tests of one file share. Call it once, at the top. */
export function useBrowser(): { openContext(t: ExecutionContext): Promise<BrowserContext> } {
  let started: StartedBrowser | undefined;
  anyTest.before(async () => {
    if (found) started = await startChromium(found);
  });
  anyTest.after.always(() => started?.stop());
  return {
    /** Somebody's own browser, who shares no cookies with others; closed at the end of the test. */
    async openContext(t) {
      const context = await started!.browser.newContext();
      t.teardown(() => context.close());
      context.setDefaultTimeout(PATIENCE_MS);
      return context;
    },
  };
}

interface StartedBrowser {
  browser: Browser;
  stop(): Promise<void>;
}

/** Starts a browser that dies, and whose folder goes, with the process that started it, even if that is killed. */
async function startChromium({ binary }: FoundChromium): Promise<StartedBrowser> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-chromium-"));
  const keeper = new Keeper(folder);
  let child: Child | undefined;
  const stop = async () => {
    await end(child, "SIGTERM");
    await keeper.close();
  };
  try {
    // It writes to its home and to the folder for temporary files, too.
    const environment = [`HOME=${folder}`, `TMPDIR=${folder}`];
    child = keeper.start("env", [...environment, binary, ...OPTIONS, `--user-data-dir=${join(folder, "profile")}`]);
    const output = await expectOutput(child, binary, START_TIMEOUT_MS, LISTENING);
    // Not launched by Playwright: what that starts is left behind, with its folders, when this process is killed.
    const browser = await chromium.connectOverCDP(LISTENING.exec(output)![1]!, { artifactsDir: folder });
    return {
      browser,
      async stop() {
        await browser.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
