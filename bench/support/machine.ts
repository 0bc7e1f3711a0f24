import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";

/** Where and with what a bench has run. */
export interface Environment {
  date: string;
  command: string;
  machine: { cpu: string; cores: number; memoryGiB: number; system: string; loadBefore: number };
  /** What ran, servers and packages. */
  versions: Servers & Record<string, string>;
  /** The commit, with `+` where files have been changed since; "unknown" without Git. */
  revision: string;
}

/** What the servers are, for people. */
interface Servers {
  redis: string;
  mysql?: string;
}

const PACKAGES = ["ioredis", "ws"];

/** @param packages besides those that all benches use */
export function describeEnvironment(command: string, servers: Servers, packages: readonly string[] = []): Environment {
  const cores = cpus();
  return {
    date: new Date().toISOString(),
    command,
    machine: {
      cpu: cores[0]?.model ?? "unknown",
      cores: cores.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${release()}`,
      loadBefore: loadavg()[0]!,
    },
    versions: {
      node: process.versions.node,
      ...servers,
      ...Object.fromEntries(
        [...PACKAGES, ...packages].map((name) => [name, versionOf(`../../node_modules/${name}/package.json`)]),
      ),
      globalchannel: versionOf("../../package.json"),
    },
    revision: revision(),
  };
}

function revision(): string {
  const cwd = new URL("../../", import.meta.url);
  const git = (...args: string[]): string => spawnSync("git", args, { cwd, encoding: "utf8" }).stdout?.trim() ?? "";
  const commit = git("rev-parse", "--short", "HEAD");
  return commit === ""
    ? "unknown"
    : `${commit}${git("status", "--porcelain", "--", "src", "bench/**/*.ts") === "" ? "" : "+"}`;
}

/** One paragraph of Markdown. */
export function environmentText({ date, command, machine, versions, revision: commit }: Environment): string {
  const { cpu, cores, memoryGiB, system, loadBefore } = machine;
  const { redis, mysql, ...packages } = versions;
  const named = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `\`${command}\`, ${date}. ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, load average before ${loadBefore.toFixed(2)}. ${redis}, ${mysql === undefined ? "" : `${mysql}, `}${named.join(", ")} (${commit}).\n`;
}

/** The same for the head of a picture, in a few short lines. */
export function environmentLines({ date, machine, versions }: Environment): string[] {
  const { cpu, cores, memoryGiB, system } = machine;
  const { redis, mysql, ...packages } = versions;
  // What is in brackets says where the program is.
  const servers = [redis, mysql].filter((server) => server !== undefined).map((server) => server.replace(/ \(.*/, ""));
  return [
    `${date.slice(0, 10)}, ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    [...servers, ...Object.entries(packages).map(([name, version]) => `${name} ${version}`)]
      // A version stays beside its name.
      .map((text) => text.replaceAll(" ", "\u00A0"))
      .join(", "),
  ];
}

function versionOf(path: string): string {
  return (JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string }).version;
}
