// What is measured is loaded from `dist`: it is built before anything that imports it is.
import { ensureBuilt } from "./support/build.js";

await ensureBuilt();
await import("./program.js");
