// Knows how long something takes, for a row of the table.

/** Milliseconds since now. */
export function clock(): () => number {
  const begin = performance.now();
  return () => Math.round(performance.now() - begin);
}
