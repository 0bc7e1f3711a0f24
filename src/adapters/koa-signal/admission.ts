import type { SseConnector, SseSession } from "../../connectors/sse/connector.js";
import type { Frontend } from "../../frontend/frontend.js";
import type { GlobalChannelService } from "../../service/service.js";
import { initiatorOf, initiatorsFrom, peersFrom, peersOf } from "./channels.js";
import type { KoaContext } from "./context.js";
import { newCredentials, newId } from "./credentials.js";
import { noSwarm, stopped, tooMany } from "./refusals.js";
import type { Swarms } from "./swarms.js";

export interface AdmissionOptions {
  service: GlobalChannelService;
  frontend: Frontend;
  connector: SseConnector;
  swarms: Swarms;
  address: (ctx: KoaContext) => string;
  createdStatus: number;
  maxSwarmsPerAddress: number;
  maxPeersPerAddress: number;
}

/** A peer that wants to open a swarm, or to join one. */
interface Arrival {
  id: string;
  isInitiator: boolean;
  address: string;
  /** What it is answered with. */
  status: number;
}

/** Opens the streams of peers. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** The peer opens a swarm. 2 round trips. */
  async create(ctx: KoaContext): Promise<void> {
    if (this.#resume(ctx)) return;
    const { address, createdStatus } = this.#options;
    await this.#admit(ctx, { id: newId(), isInitiator: true, address: address(ctx), status: createdStatus });
  }

  /** The peer joins a swarm. 3 round trips, 1 where there is none. */
  async join(ctx: KoaContext, id: string): Promise<void> {
    if (this.#resume(ctx, id)) return;
    // Not only later: nothing is written for whoever guesses, and nobody is told of who is refused.
    const address = this.#options.address(ctx);
    const [exists, peers] = await Promise.all([this.#exists(id), this.#options.service.count(peersFrom(address))]);
    if (!exists) noSwarm(ctx);
    this.#checkPeers(ctx, peers + 1);
    await this.#admit(ctx, { id, isInitiator: false, address, status: 200 });
  }

  /** Lets a peer of this swarm go on that has lost its connection; without an id the initiator of any. */
  #resume(ctx: KoaContext, id?: string): boolean {
    const { connector, swarms } = this.#options;
    const session = connector.sessionOf(ctx.req);
    const swarm = session && swarms.of(session);
    if (!swarm || (id === undefined ? swarm.initiator !== session : swarm.id !== id)) return false;
    const missed = session.resume(ctx.req, ctx.res);
    if (missed === undefined) return false;
    answer(ctx, 200);
    // Some of what it has missed for good may have been joins and leaves.
    if (missed > 0) swarm.introduce(session);
    return true;
  }

  async #admit(ctx: KoaContext, arrival: Arrival): Promise<void> {
    const { id, isInitiator, status } = arrival;
    const { connector, swarms } = this.#options;
    const { token, cid } = newCredentials();
    // Before it is a member: members without a session are taken out.
    const session = connector.accept(ctx.res, cid);
    swarms.add(id, session, isInitiator);
    try {
      await this.#register(cid, arrival);
      await this.#check(ctx, arrival, session);
    } catch (error) {
      await session.close();
      throw error;
    }
    if (swarms.isStopped) throw stopped();
    // The swarm has ended, or the client has gone.
    if (session.isClosed) noSwarm(ctx);
    answer(ctx, status);
    session.begin({ status, hello: { route: "connect", msg: { id, cid, token } } });
  }

  async #register(uid: string, { id, isInitiator, address }: Arrival): Promise<void> {
    const { service, frontend } = this.#options;
    const names = [peersOf(id), peersFrom(address)];
    if (isInitiator) names.push(initiatorOf(id), initiatorsFrom(address));
    await service.addMany(names.map((name) => ({ name, uid, sid: frontend.sid })));
  }

  /** Whether the swarm is still there, and the address has no more than it may have, now that the peer counts. */
  async #check(ctx: KoaContext, { id, isInitiator, address }: Arrival, session: SseSession): Promise<void> {
    const { service, maxSwarmsPerAddress } = this.#options;
    const [exists, peers, initiators] = await Promise.all([
      isInitiator || this.#exists(id),
      service.count(peersFrom(address)),
      isInitiator ? service.count(initiatorsFrom(address)) : 0,
    ]);
    if (!exists) noSwarm(ctx);
    // Nobody counts at a process whose lease is lost, and nobody could reach the peer.
    if (peers === 0 && !session.isClosed) ctx.throw(503, "the cluster does not know of this process now");
    this.#checkPeers(ctx, peers);
    if (initiators > maxSwarmsPerAddress) tooMany(ctx, "swarms", maxSwarmsPerAddress);
  }

  #checkPeers(ctx: KoaContext, count: number): void {
    const { maxPeersPerAddress } = this.#options;
    if (count > maxPeersPerAddress) tooMany(ctx, "peers", maxPeersPerAddress);
  }

  async #exists(id: string): Promise<boolean> {
    return (await this.#options.service.count(initiatorOf(id))) > 0;
  }
}

/** The response is a stream from now on, and none of Koa's business. */
function answer(ctx: KoaContext, status: number): void {
  ctx.status = status;
  ctx.respond = false;
}
