// Knows how a test speaks to a target: bytes in, bytes out, one line a command.

import {
  createDisk,
  type DiskOptions,
  MemoryStore,
  Nexus,
  type Sense,
  Status,
  Target,
  Task,
  type TaskAttribute,
} from "@pvscsi/scsi";
import { Places, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

/** Hex bytes, blanks anywhere. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

export interface Data {
  readonly lun?: number;
  /** Sent to the device. */
  readonly out?: Uint8Array | string;
  /** Bytes of room for what comes from the device. */
  readonly room?: number;
  readonly attribute?: TaskAttribute;
  /** It is only announced: the test submits its task. */
  readonly announced?: boolean;
}

/** A command and what became of it. */
export class Sent {
  readonly task: Task;
  readonly buffer: Uint8Array;
  ends = 0;

  constructor(task: Task, buffer: Uint8Array) {
    this.task = task;
    this.buffer = buffer;
    task.completed = () => {
      this.ends += 1;
    };
  }

  get status(): number {
    expect(this.ends, "times it ended").to.equal(1);
    return this.task.status;
  }

  /** What came from the device, in hex. */
  get data(): string {
    return toHex(this.bytes);
  }

  get bytes(): Uint8Array {
    expect(this.status, this.sense).to.equal(Status.good);
    return this.buffer.subarray(0, Math.min(this.task.transferLength, this.buffer.length));
  }

  get sense(): string {
    return toHex(this.task.sense.subarray(0, this.task.senseLength));
  }

  good(): this {
    expect(this.status, this.sense).to.equal(Status.good);
    return this;
  }

  /** Ended with CHECK CONDITION and this sense, in fixed format, with a field pointer `C8 00 02` if one is given. */
  checked({ key, asc, ascq }: Sense, fieldPointer?: string): this {
    expect(this.status).to.equal(Status.checkCondition);
    const { sense } = this.task;
    expect(toHex(Uint8Array.of(sense[2] & 0x0f, sense[12], sense[13]))).to.equal(toHex(Uint8Array.of(key, asc, ascq)));
    expect(this.task.transferLength).to.equal(0);
    if (fieldPointer !== undefined) expect(toHex(sense.subarray(15, 18))).to.equal(fieldPointer);
    return this;
  }
}

/** An initiator on a nexus of its own. */
export class Initiator {
  readonly nexus: Nexus;
  #tag = 0;

  constructor(target: Target, nexus = new Nexus(target, { initiator: "test" })) {
    this.nexus = nexus;
  }

  send(cdb: string | Uint8Array, { lun = 0, out, room = 0, attribute = "simple", announced = false }: Data = {}): Sent {
    const task = new Task();
    const bytes = typeof cdb === "string" ? hex(cdb) : cdb;
    const source = typeof out === "string" ? hex(out) : out;
    const buffer = source ?? new Uint8Array(room);
    task.tag = ++this.#tag;
    task.lun = lun;
    task.attribute = attribute;
    task.cdb.set(bytes);
    task.cdbLength = bytes.length;
    task.direction = source !== undefined ? "to-device" : room > 0 ? "from-device" : "none";
    if (buffer.length > 0) {
      task.data = new Places();
      task.data.add(buffer, 0, buffer.length);
    }
    const sent = new Sent(task, buffer);
    if (announced) this.nexus.announce(task);
    else this.nexus.submit(task);
    return sent;
  }

  /** Reports and so clears every unit attention that is pending. */
  settle(lun = 0): this {
    while (this.send("00 00 00 00 00 00", { lun }).task.sense[2] === 6);
    return this;
  }
}

export const IDENTITY = {
  blockSize: 512,
  vendor: "PVSCSI",
  product: "MEMORY",
  revision: "0001",
  serial: "0123456789ab",
  wwn: "5000c50012345678",
} as const;

export const BLOCKS = 64;

/** A disk of 64 blocks behind LUN 0, and an initiator whose unit attentions have been reported. */
export function withDisk(options: Partial<DiskOptions> = {}) {
  const blockSize = options.blockSize ?? 512;
  const store = new MemoryStore(BLOCKS * blockSize);
  const clock = new Simulation(seededRandom(1));
  const disk = createDisk({ ...IDENTITY, store, clock, ...options });
  const target = new Target();
  target.add(0, disk);
  return { store, disk, target, clock, initiator: new Initiator(target).settle() };
}

/** `length` bytes that differ by block and by `seed`. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i >>> 9) * 31 + i * seed + seed);
}
