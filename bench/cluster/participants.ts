import type { NodeProcess } from "../../test/support/process.js";
import type { ContenderName } from "../contenders/contender.js";
import type { BackendApi } from "./backend-process.js";
import type { ClientsApi } from "./client-process.js";
import type { FrontendApi } from "./frontend-process.js";

/** The processes that a contender's pushes are about. */
export interface Participants {
  contender: ContenderName;
  backend: NodeProcess<BackendApi>;
  /** All of the cluster. */
  frontends: readonly NodeProcess<FrontendApi>[];
  /** Undefined: it has none. */
  clients: readonly NodeProcess<ClientsApi>[] | undefined;
}
