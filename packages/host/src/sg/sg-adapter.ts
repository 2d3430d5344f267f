// Knows a host adapter that is one real SCSI device, by Linux' sg driver (/dev/sgN): commands are written to it, and read again when
// they have ended, so that no thread waits for any. Knows no command.

import {
  type AdapterLimits,
  type AdapterManagement,
  type Command,
  type DataDirection,
  type HostAdapter,
  HostByte,
  MAX_SENSE,
} from "@pvscsi/scsi";
import { SG_INTERFACE_ID, SG_QUEUE, SgDirection, SgIoHeader, SgRequest, SgReset, SgScsiId } from "../abi/sg.js";
import type { SgCalls } from "./sg-calls.js";

/** Linux takes CDBs of 16 bytes everywhere, and longer ones where the real adapter does. */
const MAX_CDB = 32;
const MAX_TRANSFER = 1 << 20;
const PAGE = 4096;
const LIMITS: AdapterLimits = {
  queueDepth: SG_QUEUE,
  maxTransfer: MAX_TRANSFER,
  maxSegments: MAX_TRANSFER / PAGE + 1,
  maxCdb: MAX_CDB,
  channels: 1,
  targets: 1,
  luns: 1,
};
/** Where a command's CDB and sense data lie, in front of its data. */
const SENSE_AT = 512;
const DATA_AT = PAGE;
const SLOT = DATA_AT + MAX_TRANSFER;
/** Any command that has ended. */
const ANY = -1;
const WORD = 2 ** 32;
/** The lower half of driver_status is DRIVER_SENSE where sense data was told; other values are failures (scsi/scsi.h before Linux 5.14). */
const DRIVER_BYTE = 0x0f;
const DRIVER_SENSE = 0x08;

/** Where the device is, as its driver has it. */
export interface SgDevice {
  readonly host: number;
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
  /** Peripheral device type. */
  readonly type: number;
}

/** Opens /dev/sgN; throws an error of Node's, or SystemCallError where it is no device of sg's. */
export function openSg(path: string, calls: SgCalls): SgAdapter {
  return new SgAdapter(path, calls);
}

/** One command at the device: its memory, which is the kernel's meanwhile. */
class Slot {
  readonly index: number;
  readonly header: InstanceType<typeof SgIoHeader>;
  readonly cdb: Uint8Array;
  readonly sense: Uint8Array;
  readonly data: Uint8Array;
  command: Command | null = null;

  constructor(index: number, bytes: Uint8Array, address: number) {
    this.index = index;
    this.cdb = bytes.subarray(0, MAX_CDB);
    this.sense = bytes.subarray(SENSE_AT, SENSE_AT + MAX_SENSE);
    this.data = bytes.subarray(DATA_AT);
    const header = new SgIoHeader(new Uint8Array(SgIoHeader.size));
    this.header = header;
    header.interfaceId = SG_INTERFACE_ID;
    header.senseRoom = MAX_SENSE;
    header.packId = index;
    [header.command, header.commandHigh] = words(address);
    [header.sense, header.senseHigh] = words(address + SENSE_AT);
    [header.data, header.dataHigh] = words(address + DATA_AT);
  }
}

/** An address as two words, the lower one first. */
function words(address: number): [number, number] {
  return [address % WORD, Math.floor(address / WORD)];
}

const DIRECTIONS: { readonly [Direction in DataDirection]: number } = {
  none: SgDirection.none,
  "to-device": SgDirection.toDev,
  "from-device": SgDirection.fromDev,
  bidirectional: SgDirection.fromDev,
};

export class SgAdapter implements HostAdapter {
  readonly name: string;
  readonly driver = "sg";
  readonly limits = LIMITS;
  readonly device: SgDevice;
  readonly #calls: SgCalls;
  readonly #descriptor: number;
  readonly #memory: ReturnType<SgCalls["allocate"]>;
  readonly #slots: readonly Slot[];
  readonly #free: Slot[];
  /** Those that have no slot yet. */
  readonly #waiting: Command[] = [];
  readonly #answer = new SgIoHeader(new Uint8Array(SgIoHeader.size));
  readonly #poll: { close(): void };
  #open = true;
  #resets = 0;
  #idle: (() => void) | null = null;

  constructor(path: string, calls: SgCalls) {
    this.name = path;
    this.#calls = calls;
    this.#descriptor = calls.open(path);
    try {
      this.device = this.#identify();
      this.#memory = calls.allocate(SG_QUEUE * SLOT);
    } catch (error) {
      calls.close(this.#descriptor);
      throw error;
    }
    const { bytes, address } = this.#memory;
    this.#slots = Array.from({ length: SG_QUEUE }, (_, i) => {
      return new Slot(i, bytes.subarray(i * SLOT, (i + 1) * SLOT), address + i * SLOT);
    });
    this.#free = [...this.#slots];
    this.#poll = calls.poll(this.#descriptor, () => this.#readable());
  }

  #identify(): SgDevice {
    const id = new SgScsiId(new Uint8Array(SgScsiId.size));
    this.#calls.ioctl(this.#descriptor, SgRequest.getScsiId, id.bytes);
    const { host, channel, target, lun, type } = id;
    return { host, channel, target, lun, type };
  }

  /** Any memory will do: the driver copies. */
  allocate(pages: number): Uint8Array[] {
    return Array.from({ length: pages }, () => new Uint8Array(PAGE));
  }

  free(): void {}

  /** There is nothing to tell: what happens at the device, its unit attentions tell. */
  listen(): void {}

  queue(command: Command): void {
    if (!this.#open) return lose(command, HostByte.noConnect);
    const slot = this.#free.pop();
    if (slot === undefined) this.#waiting.push(command);
    else this.#start(slot, command);
  }

  #start(slot: Slot, command: Command): void {
    const { header } = slot;
    const { data, cdbLength, direction } = command;
    slot.command = command;
    slot.cdb.set(command.cdb.subarray(0, cdbLength));
    header.commandLength = cdbLength;
    header.direction = data.length === 0 ? SgDirection.none : DIRECTIONS[direction];
    header.length = data.length;
    header.timeout = command.timeout;
    if (direction === "to-device") data.read(slot.data.subarray(0, data.length));
    try {
      this.#calls.write(this.#descriptor, header.bytes);
    } catch {
      this.#end(slot, HostByte.error);
    }
  }

  #readable(): void {
    const answer = this.#answer;
    for (;;) {
      answer.interfaceId = SG_INTERFACE_ID;
      answer.packId = ANY;
      try {
        if (!this.#calls.read(this.#descriptor, answer.bytes)) return;
      } catch {
        return this.#lost();
      }
      const slot = this.#slots[answer.packId];
      if (slot?.command) this.#answered(slot, slot.command);
    }
  }

  #answered(slot: Slot, command: Command): void {
    const { status, hostStatus, driverStatus, senseLength, residual } = this.#answer;
    const moved = command.data.length - Math.min(Math.max(residual, 0), command.data.length);
    if (command.direction !== "to-device" && moved > 0) command.data.write(slot.data.subarray(0, moved));
    command.status = status;
    command.senseLength = Math.min(senseLength, MAX_SENSE);
    command.sense.set(slot.sense.subarray(0, command.senseLength));
    command.residual = command.data.length - moved;
    const failed = (driverStatus & DRIVER_BYTE) !== 0 && (driverStatus & DRIVER_BYTE) !== DRIVER_SENSE;
    this.#end(slot, hostStatus === HostByte.ok && failed ? HostByte.error : hostStatus);
  }

  /** Gives a command back, and its slot to the next one. */
  #end(slot: Slot, hostByte: number): void {
    const command = slot.command as Command;
    slot.command = null;
    this.#free.push(slot);
    if (hostByte === HostByte.ok) {
      command.hostByte = hostByte;
      command.completed(command);
    } else lose(command, hostByte);
    while (this.#open && this.#free.length > 0 && this.#waiting.length > 0) {
      this.#start(this.#free.pop() as Slot, this.#waiting.shift() as Command);
    }
    this.#whenIdle();
  }

  /** The device has gone: sg tells no more of what is under way. */
  #lost(): void {
    this.#open = false;
    this.#poll.close();
    for (const slot of this.#slots) if (slot.command !== null) this.#end(slot, HostByte.noConnect);
    for (const command of this.#waiting.splice(0)) lose(command, HostByte.noConnect);
  }

  /** One command cannot be aborted by sg; the device can be reset. */
  manage(management: AdapterManagement): void {
    if (management.function === "abort") return this.#withdraw(management);
    const what = new Uint8Array(Int32Array.of(SgReset.device).buffer);
    this.#resets += 1;
    this.#calls.ioctlLater(this.#descriptor, SgRequest.scsiReset, what, (error) => {
      this.#resets -= 1;
      management.succeeded = error === null;
      management.completed(management);
      this.#whenIdle();
    });
  }

  /** Ends a command that has not begun. */
  #withdraw(management: AdapterManagement): void {
    const index = management.victim === null ? -1 : this.#waiting.indexOf(management.victim);
    management.succeeded = index >= 0;
    if (index >= 0) lose(this.#waiting.splice(index, 1)[0], HostByte.abort);
    management.completed(management);
  }

  /** Waits for what is at the device, whose memory it writes to: the driver ends it at its timeout. */
  async close(): Promise<void> {
    this.#open = false;
    for (const command of this.#waiting.splice(0)) lose(command, HostByte.abort);
    if (this.#busy) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#poll.close();
    this.#calls.close(this.#descriptor);
    this.#memory.release();
  }

  get #busy(): boolean {
    return this.#resets > 0 || this.#slots.some(({ command }) => command !== null);
  }

  #whenIdle(): void {
    if (this.#idle !== null && !this.#busy) this.#idle();
  }
}

/** Ends a command that has not ended at the device. */
function lose(command: Command, hostByte: number): void {
  command.hostByte = hostByte;
  command.status = 0;
  command.senseLength = 0;
  command.residual = command.data.length;
  command.completed(command);
}
