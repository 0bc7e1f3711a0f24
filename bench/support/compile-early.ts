// Imported by the processes that are measured: V8 compiles what they do to its final form after a tenth of the work that it
// would else wait for, so that a warm-up of seconds does what hours do in production. All contenders are given it.
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--interrupt-budget=6000");
