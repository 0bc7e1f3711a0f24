import { writeFile } from "node:fs/promises";

import { defineConfig, type Options } from "tsup";

/** One entry for each import in package.json's `exports` that is there in both formats. */
const entry = {
  index: "src/index.ts",
  redis: "src/redis/index.ts",
  mysql: "src/managers/mysql/index.ts",
  websocket: "src/connectors/websocket/connector.ts",
  "socket.io": "src/connectors/socket-io/index.ts",
  sse: "src/connectors/sse/connector.ts",
  conformance: "src/conformance/index.ts",
  transom: "src/adapters/transom/index.ts",
  "koa-signal": "src/adapters/koa-signal/index.ts",
  snapper: "src/adapters/snapper/index.ts",
  "pinus/index": "src/adapters/pinus/index.ts",
};

/** What the frameworks load by path, with `require`: there must be nothing but these in their folders. */
const loadedByPath = {
  "pomelo/components/globalChannel": "src/adapters/pomelo/components/globalChannel.ts",
  "pinus/remoters/globalChannelRemote": "src/adapters/pinus/remoters/globalChannelRemote.ts",
};

const common: Options = {
  target: "node20",
  clean: true,
  // All entries share one copy of the core, so that `instanceof` and private fields work between them.
  splitting: true,
};

export default defineConfig([
  { ...common, entry: { ...entry, cli: "src/cli/main.ts" }, dts: { entry }, format: "esm", outDir: "dist/esm" },
  {
    ...common,
    entry: { ...entry, "pomelo/index": "src/adapters/pomelo/index.ts", ...loadedByPath },
    dts: { entry: { ...entry, "pomelo/index": "src/adapters/pomelo/index.ts" } },
    format: "cjs",
    outDir: "dist/cjs",
    outExtension: () => ({ js: ".js" }),
    define: { "import.meta.dirname": "__dirname" },
    // A module with nothing but a default export is that: Pomelo takes `module.exports` for the component's factory.
    cjsInterop: true,
    // The package is "type": "module"; this folder is not.
    onSuccess: () => writeFile("dist/cjs/package.json", '{ "type": "commonjs" }\n'),
  },
]);
