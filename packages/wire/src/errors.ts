// Knows the one error that says a peer broke a protocol.

/**
 * A peer broke a protocol: a ring, a message or a frame. It ends that ring or connection, never the process;
 * the message says which rule was broken, with the value that broke it.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Fails on a broken invariant of our own: a bug, uncaught on purpose. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) fail(message);
}

/** What `assert` does when it fails; for the hot path, where a message with values in it is built only when needed. */
export function fail(message: string): never {
  throw new Error(`assertion failed: ${message}`);
}

/** For the default branch of a switch over a closed union. */
export function never(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
