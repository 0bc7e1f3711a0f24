/** A value or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** Ends what was started; calling it again does nothing. */
export type Unsubscribe = () => Awaitable<void>;
