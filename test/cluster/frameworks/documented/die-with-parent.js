// Preloaded: an application would go on when the test that has started it is gone.
const { rmSync } = require("node:fs");

process.once("disconnect", () => {
  if (process.argv.includes("id=master")) rmSync(__dirname, { recursive: true, force: true });
  process.exit(1);
});
