// Knows what has happened to a drive's medium and what each initiator has not heard of yet (MMC-6, GET EVENT STATUS NOTIFICATION). Knows no command.

import type { TaskNexus } from "../task.js";

/** MMC-6, media events. */
export const MediaEvent = { none: 0x0, ejectRequest: 0x1, newMedia: 0x2, mediaRemoval: 0x3 } as const;
export type MediaEventCode = (typeof MediaEvent)[keyof typeof MediaEvent];

/** The last event; each nexus hears of it once. */
export class MediaEvents {
  #last: MediaEventCode = MediaEvent.none;
  #heard = new WeakSet<TaskNexus>();

  happened(event: MediaEventCode): void {
    this.#last = event;
    this.#heard = new WeakSet();
  }

  /** The event that a nexus has not heard of yet. */
  pendingFor(nexus: TaskNexus | null): MediaEventCode {
    return nexus === null || this.#heard.has(nexus) ? MediaEvent.none : this.#last;
  }

  /** It has been told. */
  heardBy(nexus: TaskNexus | null): void {
    if (nexus !== null) this.#heard.add(nexus);
  }
}
