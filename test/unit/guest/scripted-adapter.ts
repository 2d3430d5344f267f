// Knows an adapter whose answers a test writes: to each command a function's, after a delay, or none at all.

import {
  type AdapterEvent,
  type AdapterLimits,
  type AdapterListener,
  type AdapterManagement,
  COMMANDS,
  type Command,
  findCommand,
  type HostAdapter,
  HostByte,
  type Sense,
  Status,
  writeSense,
} from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";

/** How a command ends; what is absent is as after success. "never": the adapter keeps it. */
export type Answer =
  | "never"
  | {
      readonly hostByte?: number;
      readonly status?: number;
      readonly sense?: Sense & { readonly information?: number };
      readonly senseData?: Uint8Array;
      readonly data?: Uint8Array;
      readonly residual?: number;
    };

export type Script = (command: Command) => Answer | null;

const LIMITS: AdapterLimits = {
  queueDepth: 4,
  maxTransfer: 512 * 1024,
  maxSegments: 128,
  maxCdb: 16,
  channels: 1,
  targets: 2,
  luns: 256,
};

/** A disk of 2048 blocks at 0:0:0; a script answers first, and where it says null, the disk does. */
export class ScriptedAdapter implements HostAdapter {
  readonly name = "Scripted adapter";
  readonly driver = "scripted";
  readonly limits: AdapterLimits;
  script: Script = () => null;
  /** Answers to task management; null is none at all. */
  manageWith: (management: AdapterManagement) => boolean | null = () => true;
  /** Standard INQUIRY data, VPD pages by code, and mode data of the disk. */
  inquiry = inquiryData();
  readonly pages = new Map<number, Uint8Array>();
  modes: Uint8Array | null = Uint8Array.of(0x17, 0, 0x10, 0, 0x08, 0x12, 0x04, ...new Array(17).fill(0));
  capacity16 = capacityData(2048, 512);
  readonly memory = new Uint8Array(2048 * 512);
  /** CDBs in hex, in the order in which they came. */
  readonly seen: string[] = [];
  readonly managed: string[] = [];
  readonly held = new Set<Command>();
  freed = 0;
  #listener: AdapterListener | null = null;

  constructor(limits: Partial<AdapterLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  allocate(pages: number): Uint8Array[] {
    return Array.from({ length: pages }, () => new Uint8Array(4096));
  }

  free(pages: readonly Uint8Array[]): void {
    this.freed += pages.length;
  }

  listen(listener: AdapterListener): void {
    this.#listener = listener;
  }

  tell(event: AdapterEvent): Promise<boolean> {
    return this.#listener?.(event) ?? Promise.resolve(false);
  }

  queue(command: Command): void {
    this.seen.push(hexBytes(command.cdb.subarray(0, command.cdbLength)));
    const answer = this.script(command) ?? this.#asDisk(command);
    this.held.add(command);
    if (answer !== "never") this.end(command, answer);
  }

  /** Ends a command that is held. */
  end(command: Command, answer: Exclude<Answer, "never">): void {
    this.held.delete(command);
    const { hostByte = HostByte.ok, sense, senseData, data, residual } = answer;
    command.hostByte = hostByte;
    command.status = answer.status ?? (sense || senseData ? Status.checkCondition : Status.good);
    if (sense) command.senseLength = writeSense(command.sense, sense, sense);
    if (senseData) {
      command.sense.set(senseData);
      command.senseLength = senseData.length;
    }
    const moved = data === undefined ? command.data.length : command.data.write(data.subarray(0, command.data.length));
    command.residual = residual ?? command.data.length - moved;
    command.completed(command);
  }

  manage(management: AdapterManagement): void {
    this.managed.push(management.function);
    const answer = this.manageWith(management);
    if (answer === null) return;
    management.succeeded = answer;
    management.completed(management);
  }

  async close(): Promise<void> {
    for (const command of [...this.held]) this.end(command, { hostByte: HostByte.noConnect });
  }

  #asDisk(command: Command): Exclude<Answer, "never"> {
    if (command.target !== 0 || command.channel !== 0) return { hostByte: HostByte.noConnect };
    const { cdb } = command;
    switch (findCommand(cdb)) {
      case COMMANDS.inquiry:
        return this.#inquire(cdb);
      case COMMANDS.reportLuns:
        return { data: Uint8Array.of(0, 0, 0, 8, ...new Array(12).fill(0)) };
      case COMMANDS.readCapacity16:
        return { data: this.capacity16 };
      case COMMANDS.modeSense6:
        return this.modes === null ? invalid(0x24) : { data: this.modes.subarray(0, cdb[4]) };
      case COMMANDS.read10:
        return { data: this.memory.subarray(this.#start(cdb), this.#end(cdb)) };
      case COMMANDS.write10:
        command.data.read(this.memory.subarray(this.#start(cdb), this.#end(cdb)));
        return {};
      case COMMANDS.testUnitReady:
      case COMMANDS.synchronizeCache10:
        return {};
      default:
        return invalid(0x20);
    }
  }

  #start(cdb: Uint8Array): number {
    return new DataView(cdb.buffer).getUint32(2) * 512;
  }

  #end(cdb: Uint8Array): number {
    return this.#start(cdb) + new DataView(cdb.buffer).getUint16(7) * 512;
  }

  #inquire(cdb: Uint8Array): Exclude<Answer, "never"> {
    if ((cdb[1] & 1) === 0) return { data: this.inquiry.subarray(0, cdb[4]) };
    const page = this.pages.get(cdb[2]);
    return page === undefined ? invalid(0x24) : { data: page.subarray(0, cdb[4]) };
  }
}

export function invalid(asc: number): Exclude<Answer, "never"> {
  return { sense: { key: 5, asc, ascq: 0 } };
}

export function inquiryData(version = 6, type = 0, additional = 31): Uint8Array {
  const text = "XENSIM  NODE-BACKEND    0001";
  const head = [type, 0, version, 2, additional, 0, 0x10, 2];
  return Uint8Array.from([...head, ...Array.from(text, (c) => c.charCodeAt(0)), ...new Array(60).fill(0)]);
}

/** READ CAPACITY(16) data. */
export function capacityData(blocks: number, blockSize: number, exponent = 0, provisioning = 0): Uint8Array {
  const data = new DataView(new ArrayBuffer(32));
  data.setBigUint64(0, BigInt(blocks - 1));
  data.setUint32(8, blockSize);
  data.setUint8(13, exponent);
  data.setUint8(14, provisioning);
  return new Uint8Array(data.buffer);
}
