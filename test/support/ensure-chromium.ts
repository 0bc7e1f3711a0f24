// Runs before the tests: gets a Chromium if there is neither that nor Chrome, and says which one the tests use, if any.
import { installChromium, noChromium } from "./find-chromium.js";

const found = await installChromium(console.log);
console.log(found ? `Browser tests start their own ${found.description}.` : noChromium());
