// Knows which unit attentions a nexus owes its initiator at one logical unit, and which commands report them.

import { COMMANDS } from "./cdb.js";
import type { UnitEvent } from "./logical-unit.js";
import { SENSE, type Sense } from "./sense.js";

const FOR_EVENT: { readonly [Event in UnitEvent]: Sense } = {
  "capacity-changed": SENSE.capacityChanged,
  "mode-parameters-changed": SENSE.modeParametersChanged,
  "log-parameters-changed": SENSE.logParametersChanged,
  "medium-changed": SENSE.mediumMayHaveChanged,
  "import-export-accessed": SENSE.importExportAccessed,
  reset: SENSE.resetOccurred,
  "access-state-changed": SENSE.accessStateChanged,
  "inquiry-data-changed": SENSE.inquiryDataChanged,
};

export function attentionFor(event: UnitEvent): Sense {
  return FOR_EVENT[event];
}

/** Commands that run in spite of a pending unit attention (SAM-4 5.14). */
export function passesAttention(opcode: number): boolean {
  return (
    opcode === COMMANDS.inquiry.opcode ||
    opcode === COMMANDS.reportLuns.opcode ||
    opcode === COMMANDS.requestSense.opcode
  );
}

/** What says that everything was lost, the one that says most first (SAM-5, unit attention conditions): one of them is enough. */
const LOSSES: readonly Sense[] = [SENSE.powerOn, SENSE.resetOccurred, SENSE.nexusLossOccurred];

/** Unit attentions waiting to be reported, each once, resets before everything else. */
export class Attentions {
  readonly #queue: Sense[] = [];

  get pending(): boolean {
    return this.#queue.length > 0;
  }

  /** The one that is reported next, and how many there are. */
  get first(): Sense | null {
    return this.#queue.at(0) ?? null;
  }

  get count(): number {
    return this.#queue.length;
  }

  add(sense: Sense): void {
    if (this.#queue.includes(sense)) return;
    if (!LOSSES.includes(sense)) this.#queue.push(sense);
    else this.#addLoss(sense);
  }

  #addLoss(sense: Sense): void {
    const pending = LOSSES.indexOf(this.#queue[0]);
    if (pending >= 0 && pending < LOSSES.indexOf(sense)) return;
    if (pending >= 0) this.#queue.shift();
    this.#queue.unshift(sense);
  }

  take(): Sense | null {
    return this.#queue.shift() ?? null;
  }

  remove(sense: Sense): void {
    const index = this.#queue.indexOf(sense);
    if (index >= 0) this.#queue.splice(index, 1);
  }
}
