/** A client that has shown who it is, on one connection. */
export interface RpcSession<A> {
  /** What `authenticate` gave for its token. */
  readonly identity: A;
  /** Where it comes from, as `10.0.0.7:40312`. */
  readonly address: string;
  /** Whether its connection is gone. */
  readonly isClosed: boolean;
}
