// Knows the ring of lines that dmesg shows. Knows nothing of what they say.

import type { Clock, Probes } from "@pvscsi/wire";

/** Lines kept; the oldest go first. */
const CAPACITY = 4096;

/** The kernel's log of one guest: each line with the seconds since the guest began. */
export class KernelLog {
  readonly #clock: Clock;
  readonly #probes: Probes;
  readonly #begun: number;
  readonly #lines: string[] = [];
  readonly #once = new Set<string>();

  constructor(clock: Clock, probes: Probes) {
    this.#clock = clock;
    this.#probes = probes;
    this.#begun = clock.now();
  }

  /** Appends one line; listeners of the probe `guest:dmesg` get it as dmesg shows it. */
  print(text: string): void {
    const line = `${stamp(this.#clock.now() - this.#begun)} ${text}`;
    if (this.#lines.length === CAPACITY) this.#lines.shift();
    this.#lines.push(line);
    if (this.#probes.listening) this.#probes.emit("guest:dmesg", line);
  }

  /** Appends what a module says when it is loaded: the first time only. */
  printOnce(text: string): void {
    if (this.#once.has(text)) return;
    this.#once.add(text);
    this.print(text);
  }

  /** What dmesg shows, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }
}

/** `[    2.751955]`: whole seconds in five places, microseconds in six. */
function stamp(milliseconds: number): string {
  const microseconds = Math.floor(milliseconds * 1000);
  const seconds = Math.floor(microseconds / 1_000_000);
  return `[${String(seconds).padStart(5)}.${String(microseconds % 1_000_000).padStart(6, "0")}]`;
}
