// Knows how the tests of this package look at what was thrown.

import { ConfigError } from "@pvscsi/config";

/** What `action` threw, or null. */
export function bare(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    return error;
  }
}

/** The message of the `ConfigError` that `action` throws. */
export function faultOf(action: () => unknown): string {
  const error = bare(action);
  if (error instanceof ConfigError) return error.message;
  throw new Error("no ConfigError", { cause: error });
}

/** A copy of a value in which every position is the same and `source` is gone, for comparing what was read twice. */
export function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key]) => !/^(at|file|source|physicalAt|virtualAt|warnings)$/.test(key),
  );
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutPlaces(inner)]));
}
