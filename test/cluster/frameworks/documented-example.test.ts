// The examples in the original's README as they stand there, in an application that `node app.js` runs.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test from "ava";
import { checkBuilt } from "./built.js";
import { replaceOnce, sayHello, startApplication } from "./documented-application.js";

const ORIGINAL = dirname(createRequire(import.meta.url).resolve("pomelo-globalchannel-plugin"));

/** Each in the only code block of the README that has these words. */
const EXAMPLES = [
  { title: "the example for Redis", words: "db: '0'" },
  { title: "the example for a manager of one's own", words: "channelManager: mysqlGlobalChannelManager" },
];

test.before(checkBuilt);

for (const { title, words } of EXAMPLES) {
  for (const plugin of ["pomelo-globalchannel-plugin", "globalchannel/pomelo"]) {
    test.serial(`${title}, with require('${plugin}'), pushes to a client`, async (t) => {
      const usage = replaceOnce(await codeBlock(words), "pomelo-globalchannel-plugin", plugin);
      const connector = await startApplication(t, { framework: "pomelo", usage });

      const { answer, pushes } = await sayHello(t, connector, "chat");

      t.deepEqual(answer, { failIds: [] });
      t.deepEqual(pushes, [{ text: "hello" }]);
    });
  }
}

async function codeBlock(words: string): Promise<string> {
  const readme = await readFile(join(ORIGINAL, "README.md"), "utf8");
  const blocks = readme.split("```").filter((text, index) => index % 2 === 1 && text.includes(words));
  if (blocks.length !== 1) throw new Error(`${blocks.length} code blocks have the words ${words}`);
  return blocks[0]!;
}
