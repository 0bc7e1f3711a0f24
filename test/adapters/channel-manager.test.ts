import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { Application } from "../../src/adapters/framework/application.js";
import { GlobalChannelComponent } from "../../src/adapters/framework/component.js";
import type { GlobalChannelPluginOptions } from "../../src/adapters/framework/options.js";
import {
  InProcessTransport,
  MemoryChannelManager,
  type GlobalChannelError,
  type GlobalChannelService,
  type ManagerCallback,
} from "../../src/index.js";
import { replacing } from "../support/stage.js";

// Managers of the application's own in the plugin, which hands them to its service and its frontend as they are.

/** The plugin on a backend of an application that has no other server. */
function plugin(t: ExecutionContext, options: GlobalChannelPluginOptions) {
  let service: GlobalChannelService | undefined;
  const application = {
    components: {},
    event: new EventEmitter(),
    get: () => undefined,
    set: (_name: string, value: GlobalChannelService) => (service = value),
    getServerId: () => "chat-1",
    getServerType: () => "chat",
    getCurServer: () => ({ id: "chat-1", serverType: "chat" }),
    getServers: () => ({}),
    isFrontend: () => false,
    isMaster: () => false,
  } as unknown as Application;
  const component = new GlobalChannelComponent(application, { transport: new InProcessTransport(), ...options }, {});
  t.teardown(() => new Promise<void>((resolve) => component.stop(true, () => resolve())));
  const start = () =>
    new Promise<void>((resolve, reject) => {
      component.start((error) => (error ? reject(error) : resolve()));
    });
  return { start, service: service! };
}

class OldManager {
  readonly calls: string[] = [];

  start(done: ManagerCallback): void {
    this.calls.push("start");
    setImmediate(done);
  }

  clean(done: ManagerCallback): void {
    this.calls.push("clean");
    setImmediate(done);
  }

  add(_name: string, _uid: string, _sid: string, done: ManagerCallback): void {
    setImmediate(done);
  }

  leave(_name: string, _uid: string, _sid: string, done: ManagerCallback): void {
    setImmediate(done);
  }

  getMembersBySid(_name: string, _sid: string, done: ManagerCallback): void {
    setImmediate(done, null, []);
  }

  destroyChannel(_name: string, done: ManagerCallback): void {
    setImmediate(done, null, 2);
  }
}

test("one that declares a capability and lacks its methods is refused at the start", async (t) => {
  let isStarted = false;
  const start = () => void (isStarted = true);
  const channelManager = replacing(new MemoryChannelManager() as object, { start, watch: undefined });
  const { start: startPlugin } = plugin(t, { channelManager: channelManager as MemoryChannelManager });

  const error = await t.throwsAsync<GlobalChannelError>(startPlugin());
  t.like(error, { code: "GC_INVALID_OPTION", argument: "cluster.manager" });
  t.regex(error.message, /declare versions only with .*; it has no method watch$/);
  await nextTurn();
  t.false(isStarted);
});

test("one that calls back, or a function that makes one, is used as it is", async (t) => {
  const manager = new OldManager();
  for (const channelManager of [manager, () => manager]) {
    manager.calls.length = 0;
    const { start, service } = plugin(t, { channelManager, cleanOnStartUp: true });
    await start();

    t.deepEqual(manager.calls, ["start", "clean"]);
    t.true(await service.add("room", "ann", "s1"));
    t.is(await service.destroyChannel("room"), 2);
    await service.stop();
  }
});

test("one that lacks a required method is refused when the plugin is used, by the option's name", (t) => {
  const manager = { add() {}, leave() {}, getMembersBySid() {} };
  for (const channelManager of [manager, () => manager, () => undefined]) {
    const error = t.throws<GlobalChannelError>(() => plugin(t, { channelManager: channelManager as never }));
    t.like(error, { code: "GC_INVALID_OPTION", argument: "channelManager" });
    t.regex(error.message, /a channel manager; it has no method (destroyChannel|add)$/);
  }
});
