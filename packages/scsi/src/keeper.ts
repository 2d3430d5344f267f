// Knows the seam between what a logical unit must not forget and where that is written.

/** Keeps a text through a loss of power. */
export interface Keeper {
  /** What was kept when the unit was opened; null when nothing was. */
  readonly kept: string | null;
  /** Keeps another text instead, or nothing: resolves when that is durable, and rejects when it may not be. One at a time. */
  keep(text: string | null): Promise<void>;
}
