import test from "ava";
import {
  Frontend,
  GlobalChannelService,
  memory,
  type ChannelManager,
  type Cluster,
  type GlobalChannelError,
} from "../../src/index.js";
import { CAPABILITY_METHODS } from "../../src/capabilities.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { replacing } from "../support/stage.js";

// What a manager declares is checked before anything is started.

const MAKERS: Record<string, (cluster: Cluster) => GlobalChannelService | Frontend> = {
  service: (cluster) => new GlobalChannelService({ cluster }),
  frontend: (cluster) => new Frontend({ sid: "s1", stype: "connector", cluster, connector: new RecordingConnector() }),
};

/** A cluster in memory with something else in its manager, and which of its parts were started. */
function clusterWith(methods: object): { cluster: Cluster; started: string[] } {
  const started: string[] = [];
  const { manager, registry, transport } = memory();
  const start = (part: string) => () => void started.push(part);
  return {
    cluster: {
      manager: replacing(manager, { start: start("manager"), ...methods }),
      registry: replacing(registry, { start: start("registry") }),
      transport: replacing(transport, { start: start("transport") }),
    },
    started,
  };
}

for (const [starter, make] of Object.entries(MAKERS)) {
  const refusal = async (methods: object): Promise<GlobalChannelError & { started: string[] }> => {
    const { cluster, started } = clusterWith(methods);
    const error = await make(cluster)
      .start()
      .then(
        () => new Error("it was not refused"),
        (reason: GlobalChannelError) => reason,
      );
    return Object.assign(error as GlobalChannelError, { started });
  };

  test(`a ${starter} refuses a manager that lacks a method of what it declares, and starts nothing`, async (t) => {
    for (const [capability, methods] of Object.entries(CAPABILITY_METHODS)) {
      for (const method of methods) {
        for (const none of [undefined, "a string"]) {
          const error = await refusal({ [method]: none });
          t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager", started: [] });
          t.is(
            error.message,
            `cluster.manager: declare ${capability} only with ${methods.join(", ")}; it has no method ${method}`,
          );
        }
      }
    }
    const error = await refusal({ addMany: undefined, leaveMany: undefined });
    t.regex(error.message, /it has no method addMany, leaveMany$/);
  });

  test(`a ${starter} refuses a capability that does not exist, and says which may have been meant`, async (t) => {
    for (const [name, meant] of [
      ["bulks", "bulk"],
      ["Events", "events"],
      ["version", "versions"],
      ["nothingLikeAny", undefined],
    ]) {
      for (const value of [true, false]) {
        const error = await refusal({ capabilities: { [name!]: value } });
        t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager", started: [] });
        t.is(
          error.message,
          `cluster.manager: there is no capability "${name}"${meant ? ` (did you mean ${meant}?)` : ""}; ` +
            "there are bulk, queries, versions, presence, eviction, events, userIndex",
        );
      }
    }
  });

  test(`a ${starter} refuses what is neither true nor false`, async (t) => {
    for (const [value, shown] of [
      [1, "1"],
      [0, "0"],
      ["yes", '"yes"'],
      [null, "null"],
      [{}, "an object"],
    ]) {
      const error = await refusal({ capabilities: { events: value } });
      t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager", started: [] });
      t.is(error.message, `cluster.manager: its capability events is ${shown as string}; it must be true or false`);
    }
    for (const none of [null, true, "bulk", ["bulk"]]) {
      const error = await refusal({ capabilities: none });
      t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager", started: [] });
      t.regex(error.message, /^cluster\.manager: its capabilities are .*; they must be an object/);
    }
  });

  test(`a ${starter} starts with a manager that declares nothing, or what it has`, async (t) => {
    const absent = Object.fromEntries(
      Object.values(CAPABILITY_METHODS)
        .flat()
        .map((method) => [method, undefined]),
    );
    for (const [methods, capabilities] of [
      [absent, undefined],
      [absent, {}],
      [absent, { bulk: false, versions: undefined }],
      [{ ...absent, watchAll: () => () => {} }, { events: true }],
    ]) {
      const { cluster, started } = clusterWith({ ...methods, capabilities });
      const it = make(cluster);
      await t.notThrowsAsync(it.start());
      await it.stop();
      t.deepEqual(started, ["manager", "registry", "transport"]);
    }
  });
}

test("after a refusal the same service may be started, once the manager has what it declares", async (t) => {
  const declared = { bulk: true, versions: true as boolean };
  const { cluster, started } = clusterWith({ capabilities: declared, watch: undefined });
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop());
  await t.throwsAsync(service.start(), { code: "GC_INVALID_OPTION" });

  declared.versions = false;
  await service.start();

  t.deepEqual(started, ["manager", "registry", "transport"]);
});

test("a manager that was refused for want of a method may get it, and is used then", async (t) => {
  const cluster = memory();
  Object.assign(cluster.manager, { watch: undefined });
  await t.throwsAsync(new GlobalChannelService({ cluster }).start(), { code: "GC_INVALID_OPTION" });
  delete (cluster.manager as { watch?: unknown }).watch;

  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop());
  await t.notThrowsAsync(service.start());
});

test("one object that is several parts is started once", async (t) => {
  const { manager, registry, transport } = memory();
  let starts = 0;
  let stops = 0;
  const all = new Proxy({} as ChannelManager & Cluster["registry"], {
    get(_target, key) {
      if (key === "start") return () => void starts++;
      if (key === "stop") return () => void stops++;
      const part = key in manager ? manager : registry;
      const value: unknown = Reflect.get(part, key);
      return typeof value === "function" ? value.bind(part) : value;
    },
  });
  const service = new GlobalChannelService({ cluster: { manager: all, registry: all, transport } });

  await service.start();
  await service.stop();

  t.deepEqual([starts, stops], [1, 1]);
});
