export { Broker } from "./broker/broker.js";
export type { BrokerOptions } from "./broker/options.js";
export type { TokenAlgorithm } from "./tokens/algorithms.js";
export type { TokenKeys } from "./tokens/keys.js";
export type { Reconnecting } from "./producer/broker-client.js";
export type { ProducerOptions } from "./producer/options.js";
export { Producer, type ProducerStats } from "./producer/producer.js";
export type { ProducerEvents } from "./producer/producer-emitter.js";
