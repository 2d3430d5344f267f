// Knows a keeper that does as the test says.

import type { Keeper } from "@pvscsi/scsi";

/** Keeps texts as the test says: at once, when it is told to, or not at all. */
export class ScriptedKeeper implements Keeper {
  kept: string | null = null;
  readonly asked: (string | null)[] = [];
  held: { resolve(): void; reject(error: Error): void } | null = null;
  holding = false;

  keep(text: string | null): Promise<void> {
    this.asked.push(text);
    if (!this.holding) {
      this.kept = text;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.held = {
        resolve: () => {
          this.kept = text;
          resolve();
        },
        reject,
      };
    });
  }
}
