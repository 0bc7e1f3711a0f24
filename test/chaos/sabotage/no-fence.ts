// Frontends that deliver whatever comes, whoever has their sid by now.
import { switchOff } from "../../cluster/without.js";

switchOff(["fence"]);
