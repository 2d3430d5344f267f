// Knows how a history is written down: a line for everything the probes tell, and one digest of all lines.

import { createHash } from "node:crypto";
import { describeTask, type Task } from "@pvscsi/scsi";
import type { Clock, ProbeHub } from "@pvscsi/wire";
import type { XenstoredMessage } from "@pvscsi/xen";

/** Lines of probes that say more than their name. */
const SUBJECTS: Readonly<Record<string, (subject: unknown) => string>> = {
  "task:end": (subject) => describeTask(subject as Task),
  "task:begin": (subject) => `tag ${(subject as Task).tag}`,
  "scsifront:push": String,
  "scsiback:push": String,
  "xenstored:request": storeText,
  "xenstored:reply": storeText,
  "xenstored:event": storeText,
};

function storeText(subject: unknown): string {
  const { domain, name, message } = subject as XenstoredMessage;
  return `d${domain} ${name} ${JSON.stringify(message.payload)}`;
}

export class Recorder {
  lines = 0;
  readonly #hash = createHash("sha256");
  readonly #clock: Clock;
  readonly #write: ((line: string) => void) | null;

  constructor(probes: ProbeHub, clock: Clock, write: ((line: string) => void) | null) {
    this.#clock = clock;
    this.#write = write;
    probes.listen((name, subject) => this.note(`${name} ${SUBJECTS[name]?.(subject) ?? ""}`));
  }

  note(text: string): void {
    const line = `${this.#clock.now().toFixed(3)} ${text}`;
    this.lines += 1;
    this.#hash.update(line).update("\n");
    this.#write?.(line);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
