// Knows a command whose memory is watched: nothing beside its data may change, nor what it sends, nor more than it says.

import { additionalSenseText, decodeSense, describeCdb, SenseKey, Status, Task } from "@pvscsi/scsi";
import { Places, type Random } from "@pvscsi/wire";
import type { RandomCommand } from "../../support/random-command.js";

const GUARD = 16;
const CANARY = 0xa5;
const MOST_PIECES = 4;
const ATTRIBUTES: readonly Task["attribute"][] = ["ordered", "head-of-queue", "aca", "reserved"];
const STATUSES: ReadonlySet<number> = new Set(Object.values(Status));

/** A pooled record. */
export class GuardedTask {
  readonly task = new Task();
  readonly #places = new Places();
  readonly #memory: Uint8Array;
  #command: RandomCommand = { cdb: new Uint8Array(0), out: null, room: 0 };
  #used = 0;
  underWay = false;

  /** `most` bytes of data at most; `ended` hears of its end, and of what was wrong with it. */
  constructor(most: number, ended: (task: GuardedTask, fault: string | null) => void) {
    this.#memory = new Uint8Array(most + GUARD * (MOST_PIECES + 1));
    this.task.completed = () => {
      const fault = this.underWay ? this.#fault() : "it ended twice";
      this.underWay = false;
      ended(this, fault);
    };
  }

  /** Makes it a new command; its data lies in up to four pieces. */
  prepare(command: RandomCommand, tag: number, lun: number, random: Random): Task {
    const { task } = this;
    const { cdb, out, room } = command;
    this.#command = command;
    this.underWay = true;
    task.tag = tag;
    task.lun = lun;
    task.cdb.set(cdb);
    task.cdbLength = cdb.length;
    task.direction = out !== null ? "to-device" : room > 0 ? "from-device" : "none";
    if (random.chance(0.02)) task.direction = "bidirectional";
    task.attribute = random.chance(0.1) ? ATTRIBUTES[random.below(ATTRIBUTES.length)] : "simple";
    task.tellsOverflow = random.chance(0.5);
    this.#lay(out === null ? room : out.length, random);
    if (out !== null) this.#places.write(out);
    task.data = this.#places;
    return task;
  }

  #lay(length: number, random: Random): void {
    this.#places.clear();
    let at = GUARD;
    for (let piece = 1, left = length; left > 0; piece++) {
      const size = piece === MOST_PIECES ? left : Math.min(left, 1 + random.below(length));
      this.#places.add(this.#memory, at, size);
      at += size + GUARD;
      left -= size;
    }
    this.#used = at;
    this.#memory.fill(CANARY, 0, at);
  }

  #fault(): string | null {
    const { task } = this;
    if (!STATUSES.has(task.status)) return `status ${task.status}`;
    const checked = task.status === Status.checkCondition;
    if (checked !== task.senseLength > 0) return `${task.senseLength} bytes of sense with status ${task.status}`;
    if (checked && !task.aborted) {
      const fault = senseFault(task);
      if (fault !== null) return fault;
    }
    if (!Number.isSafeInteger(task.transferLength) || task.transferLength < 0) return `it moved ${task.transferLength}`;
    return this.#memoryFault();
  }

  /** Pieces lie one behind the other with guards between: what should have changed, and nothing else. */
  #memoryFault(): string | null {
    const { task } = this;
    const { out } = this.#command;
    const moved = task.status === Status.good && task.direction !== "to-device" ? task.transferLength : Infinity;
    let at = 0;
    let done = 0;
    for (let i = 0; i <= this.#places.count; i++) {
      const begin = i < this.#places.count ? this.#places.offset(i) : this.#used;
      for (; at < begin; at++) if (this.#memory[at] !== CANARY) return `byte ${at} beside its data was written`;
      if (i === this.#places.count) break;
      const size = this.#places.size(i);
      if (out !== null && task.direction === "to-device") {
        const piece = this.#memory.subarray(begin, begin + size);
        if (Buffer.compare(piece, out.subarray(done, done + size)) !== 0) return "what it sent was changed";
      } else if (out === null) {
        const rest = Math.max(0, Math.min(size, moved - done));
        for (let j = begin + rest; j < begin + size; j++) {
          if (this.#memory[j] !== CANARY) return `byte ${done + j - begin} was written, and ${moved} were moved`;
        }
      }
      done += size;
      at = begin + size;
    }
    return null;
  }

  describe(): string {
    const { task } = this;
    return `${describeCdb(task.cdb, task.cdbLength)} at LUN ${task.lun}, ${task.data.length} bytes ${task.direction}`;
  }
}

function senseFault({ sense, senseLength }: Task): string | null {
  const decoded = decodeSense(sense, senseLength);
  if (decoded === null) return "sense data that is none";
  const { key, asc, ascq, deferred } = decoded;
  if (key > SenseKey.completed || key === SenseKey.noSense || deferred) return `sense key ${key}`;
  return additionalSenseText(asc, ascq) === null ? `additional sense ${asc}/${ascq}, which has no name` : null;
}
