import type { RpcTransport } from "../types.js";
import type { ConformanceCase } from "./case.js";
import { contentCases } from "./transports/content.js";
import { failureCases } from "./transports/failures.js";
import { fenceCases } from "./transports/fence.js";
import { transportInterruptionCases, transportNameCases } from "./transports/interruption.js";
import { orderCases } from "./transports/order.js";
import { sendCases } from "./transports/sends.js";
import { serveCases, stopCases } from "./transports/serving.js";

/** The contract of {@link RpcTransport}, as cases. */
export function rpcTransportConformance(): ConformanceCase<RpcTransport>[] {
  return [
    ...contentCases,
    ...orderCases,
    ...sendCases,
    ...failureCases,
    ...serveCases,
    ...fenceCases,
    ...stopCases,
    ...transportNameCases,
    ...transportInterruptionCases,
  ];
}
