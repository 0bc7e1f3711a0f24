import { writeFile } from "node:fs/promises";

import { defineConfig, type Options } from "tsup";

/** One entry for each import in package.json's `exports`. */
const entry = {
  index: "src/index.ts",
  redis: "src/redis/index.ts",
  websocket: "src/connectors/websocket.ts",
  conformance: "src/conformance/index.ts",
};

const common: Options = {
  entry,
  dts: { entry },
  target: "node20",
  clean: true,
  // All entries share one copy of the core, so that `instanceof` and private fields work between them.
  splitting: true,
};

export default defineConfig([
  { ...common, format: "esm", outDir: "dist/esm" },
  {
    ...common,
    format: "cjs",
    outDir: "dist/cjs",
    outExtension: () => ({ js: ".js" }),
    // The package is "type": "module"; this folder is not.
    onSuccess: () => writeFile("dist/cjs/package.json", '{ "type": "commonjs" }\n'),
  },
]);
