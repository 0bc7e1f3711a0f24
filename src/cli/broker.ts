import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import { type Command, InvalidArgumentError } from "commander";
import type { Broker } from "../adapters/snapper/broker/broker.js";
import { type TokenAlgorithm, tokenAlgorithm } from "../adapters/snapper/tokens/algorithms.js";
import type { DiagnosticsMessages } from "../diagnostics.js";
import { isGlobalChannelError } from "../errors.js";
import { ErrorLines } from "./error-lines.js";
import type { Interruption } from "./interruption.js";
import { redact } from "./redact.js";
import { redisOption } from "./redis-option.js";
import { readSecretFile } from "./secret-file.js";

interface BrokerArguments {
  port: number;
  rpcPort: number;
  host?: string;
  secretFile: string;
  algorithm: TokenAlgorithm;
  redis?: string;
  prefix: string;
}

/** Where errors are told that nobody waits for. */
const ERRORS = "globalchannel:error";

/** `globalchannel broker`: runs until it is interrupted. */
export function addBrokerCommand(program: Command, interruption: Interruption): void {
  program
    .command("broker")
    .description(
      "Runs a Snapper broker: takes messages to rooms from producers, and hands them to the consumers there. Brokers with the same " +
        "Redis and prefix are one. SIGTERM ends it: what it has not delivered the others do.",
    )
    .requiredOption(
      "--secret-file <file>",
      "what tokens are signed with: one secret a line; for RS and ES algorithms, keys in PEM one after the other. All verify",
    )
    .option("--port <port>", "where consumers connect", checkPort, 7701)
    .option("--rpc-port <port>", "where producers connect", checkPort, 7700)
    .option("--host <address>", "of one network interface to listen at; else at all")
    .option("--algorithm <name>", "HS256, HS384, HS512, RS256, ..., or ES512", checkAlgorithm, "HS256")
    .addOption(redisOption())
    .option("--prefix <prefix>", "what the keys in Redis begin with", "gc")
    .addHelpText("after", "\nExample:\n  globalchannel broker --secret-file secrets.txt --redis redis://127.0.0.1:6379")
    .action(async (given: BrokerArguments) => {
      interruption.expect();
      const lines = new ErrorLines();
      diagnostics.subscribe(ERRORS, (message) => lines.say((message as DiagnosticsMessages[typeof ERRORS]).error));
      const broker = await createBroker(given);
      await broker.start();
      const { signal } = interruption;
      if (!signal.aborted) {
        process.stdout.write(redact(describe(broker, given)));
        await once(signal, "abort");
      }
      await broker.stop();
    });
}

async function createBroker({ secretFile, prefix, algorithm, ...given }: BrokerArguments): Promise<Broker> {
  const { port, rpcPort, host } = given;
  const secretKeys = await readSecretFile(secretFile, algorithm);
  // Other commands are not to load what it is made of.
  const { Broker: SnapperBroker } = await import("../adapters/snapper/broker/broker.js");
  const { redis } = await import("../redis/index.js");
  const cluster = given.redis === undefined ? undefined : redis(given.redis, { prefix });
  try {
    return new SnapperBroker({ port, rpcPort, host, secretKeys, algorithm, cluster });
  } catch (error) {
    // Whoever runs it knows the file, and not the option.
    if (isGlobalChannelError(error) && error.argument === "secretKeys")
      throw new Error(`--secret-file ${secretFile}: ${error.message}`, { cause: error });
    throw error;
  }
}

function checkPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError("It must be a number from 0 to 65535.");
  return port;
}

function checkAlgorithm(text: string): TokenAlgorithm {
  try {
    return tokenAlgorithm("--algorithm", text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function describe({ port, rpcPort }: Broker, { host, redis: url, prefix }: BrokerArguments): string {
  const at = host === undefined ? "" : ` of ${host}`;
  const where =
    url === undefined
      ? "in memory: it is the only one, and what waits for consumers ends with it"
      : `with ${url}, prefix ${prefix}`;
  return `The broker listens at port ${port} for consumers and at port ${rpcPort} for producers${at}, ${where}.\n`;
}
