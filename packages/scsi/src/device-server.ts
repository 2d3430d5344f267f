// Knows how a device server finds the row of a command in its opcode table, checks the CDB against it and runs it.
// Knows no command: the device types bring their tables.

import { assert } from "@pvscsi/wire";
import type { PathGuard } from "./alua/groups.js";
import type { ReachName } from "./alua/states.js";
import type { CommandDescription } from "./cdb.js";
import type { AccessName, Guard } from "./reservations/access.js";
import { endWithSense, type FieldPointer, SENSE, type Sense } from "./sense.js";
import { type DataDirection, noPlaces, Status, type Task } from "./task.js";

/** What keeps a device from its commands for longer than one of them, as FORMAT UNIT does. */
export interface DeviceCondition {
  readonly sense: Sense;
  /** How far it is, in 65536ths; undefined where it does not go on. */
  readonly progress: number | undefined;
  refuses(row: CommandRow<never>): boolean;
}

/** What the checks before a command ask the device. */
export interface DeviceServer {
  readonly descriptorSense: boolean;
  /** Keeps commands out that conflict with a reservation; null while there is none. */
  readonly guard: Guard | null;
  /** Keeps commands out that came by a port which does not lead to it now; null, or absent where there is one way, while all do. */
  readonly paths?: PathGuard | null;
  /** Null, or absent where there never is one, while nothing keeps it from its commands. */
  readonly condition?: DeviceCondition | null;
  /** Bytes that one command at a time builds its answer in, or copies its parameter list into. */
  readonly scratch: Uint8Array;
  /** Why the medium cannot be used now, or null. */
  notReady(): Sense | null;
  /** Why the medium cannot be written by whoever sent a task, or null. */
  writeProtection(task: Task): Sense | null;
}

/** One supported command: a row of a device type's opcode table. */
export interface CommandRow<Device> {
  readonly command: CommandDescription;
  /** CDB usage data as REPORT SUPPORTED OPERATION CODES gives it: bits that are zero must be zero in a CDB. */
  readonly usage: Uint8Array;
  /** Bits of byte 1 that may be anything all the same. */
  readonly ignored: number;
  readonly needs: "nothing" | "medium" | "writable-medium";
  readonly data: "none" | "in" | "out";
  /** How it fares while somebody else has reserved the unit, where the rest of the CDB does not matter to that. */
  readonly access: AccessName | ((cdb: Uint8Array) => AccessName);
  /** In which states of the port it runs, where the rest of the CDB does not matter to that. */
  readonly reach: ReachName | ((cdb: Uint8Array) => ReachName);
  /** Seconds to wait before error recovery, reported with RCTD. */
  readonly timeout: number;
  readonly run: (device: Device, task: Task) => void;
}

export interface RowOptions {
  readonly needs?: CommandRow<never>["needs"];
  readonly data?: CommandRow<never>["data"];
  /** Where it is not said, what needs the medium reads, and all else may change something. */
  readonly access?: CommandRow<never>["access"];
  readonly reach?: CommandRow<never>["reach"];
  readonly timeout?: number;
  readonly ignored?: number;
}

/** Makes a row; `usage` is the map from byte 1 on, in hex, without the service action. */
export function row<Device>(
  command: CommandDescription,
  usage: string,
  run: CommandRow<Device>["run"],
  options: RowOptions = {},
): CommandRow<Device> {
  const { needs = "nothing", data = "none", reach = "active", timeout = 30, ignored = 0 } = options;
  const { access = needs === "medium" ? "reads" : "writes" } = options;
  const bytes = Uint8Array.from([command.opcode, ...usage.split(" ").map((byte) => Number.parseInt(byte, 16))]);
  assert(bytes.length === command.length, `${command.name}: usage of ${bytes.length} bytes`);
  if (command.serviceAction !== null) bytes[1] |= command.serviceAction;
  return { command, usage: bytes, ignored, needs, data, access, reach, timeout, run };
}

/** The opcode table of one device. */
export class CommandTable<Device extends DeviceServer> {
  readonly rows: readonly CommandRow<Device>[];
  readonly #plain: (CommandRow<Device> | undefined)[] = new Array(256).fill(undefined);
  readonly #actions: (CommandRow<Device>[] | undefined)[] = new Array(256).fill(undefined);

  constructor(rows: readonly CommandRow<Device>[]) {
    this.rows = rows;
    for (const entry of rows) {
      const { opcode, serviceAction } = entry.command;
      if (serviceAction === null) this.#plain[opcode] = entry;
      else this.#actions[opcode] = Object.assign(this.#actions[opcode] ?? [], { [serviceAction]: entry });
    }
  }

  /** Whether the opcode is supported with service actions. */
  hasActions(opcode: number): boolean {
    return this.#actions[opcode] !== undefined;
  }

  find(opcode: number, serviceAction: number): CommandRow<Device> | undefined {
    return this.#plain[opcode] ?? this.#actions[opcode]?.[serviceAction];
  }

  /** Checks a task against its row and runs it. */
  execute(device: Device, task: Task): void {
    const { cdb } = task;
    const found = this.find(cdb[0], cdb[1] & 0x1f);
    if (found === undefined) return this.#unsupported(device, task);
    if (task.cdbLength < found.usage.length) return invalidField(device, task, task.cdbLength, null);
    const { guard } = device;
    if (guard?.conflicts(task, accessOf(found, cdb))) return task.end(Status.reservationConflict);
    const shut = device.paths?.refusal(task, reachOf(found, cdb)) ?? null;
    if (shut !== null) return check(device, task, shut);
    const { condition } = device;
    if (condition?.refuses(found)) return endWithCondition(device, task, condition);
    const wrong = firstWrongByte(found, cdb);
    if (wrong > 0) return invalidField(device, task, wrong, highestBit(cdb[wrong] & ~mask(found, wrong)));
    if (found.needs !== "nothing") {
      const reason = device.notReady() ?? (found.needs === "writable-medium" ? device.writeProtection(task) : null);
      if (reason !== null) return check(device, task, reason);
    }
    if (found.data !== "none" && task.data.length > 0 && !moves(task, DIRECTION[found.data])) {
      // The initiator opened its buffer for the other direction: nothing may be moved through it.
      if (found.data === "out" || !task.tellsOverflow) return check(device, task, SENSE.invalidFieldInInformationUnit);
      task.data = noPlaces;
    }
    found.run(device, task);
  }

  /** Whether a task conflicts with a reservation; one that would be refused for another reason does not. */
  conflicts(guard: Guard, task: Task): boolean {
    const { cdb, cdbLength } = task;
    const found = this.find(cdb[0], cdb[1] & 0x1f);
    if (found === undefined || cdbLength < found.usage.length) return false;
    return guard.conflicts(task, accessOf(found, cdb));
  }

  #unsupported(device: Device, task: Task): void {
    if (this.hasActions(task.cdb[0])) invalidField(device, task, 1, 4);
    else check(device, task, SENSE.invalidOpcode);
  }
}

/** How a command fares while somebody else has reserved the unit. */
export function accessOf({ access }: CommandRow<never>, cdb: Uint8Array): AccessName {
  return typeof access === "string" ? access : access(cdb);
}

function reachOf({ reach }: CommandRow<never>, cdb: Uint8Array): ReachName {
  return typeof reach === "string" ? reach : reach(cdb);
}

/** Whether the initiator's buffer may be used that way; a bidirectional one may be used both ways. */
export function moves({ direction }: Task, wanted: DataDirection): boolean {
  return direction === wanted || direction === "bidirectional";
}

const DIRECTION = { none: "none", in: "from-device", out: "to-device" } as const;

/** The first byte of a CDB with a bit outside of the usage map; 0 when there is none. */
function firstWrongByte(row: CommandRow<never>, cdb: Uint8Array): number {
  const { usage } = row;
  for (let i = 1; i < usage.length; i++) {
    if ((cdb[i] & ~usage[i]) !== 0 && (cdb[i] & ~mask(row, i)) !== 0) return i;
  }
  return 0;
}

/** The bits a byte may have: in byte 1 of a usage map the service action stands as its value. */
function mask({ command, usage, ignored }: CommandRow<never>, index: number): number {
  if (index !== 1) return usage[index];
  return usage[1] | ignored | (command.serviceAction === null ? 0 : 0x1f);
}

function highestBit(byte: number): number {
  return 31 - Math.clz32(byte & 0xff);
}

/** Ends the task with CHECK CONDITION in the device's format; `information` as the command defines it. */
export function check(device: DeviceServer, task: Task, sense: Sense, information?: number): void {
  endWithSense(task, sense, { descriptor: device.descriptorSense, information });
}

function endWithCondition({ descriptorSense }: DeviceServer, task: Task, { sense, progress }: DeviceCondition): void {
  endWithSense(task, sense, { descriptor: descriptorSense, progress });
}

/** INVALID FIELD IN CDB at a byte, and the highest bit of the field where it is less than the byte. */
export function invalidField(device: DeviceServer, task: Task, byte: number, bit: number | null): void {
  endWithField(device, task, SENSE.invalidFieldInCdb, { in: "cdb", byte, bit });
}

/** INVALID FIELD IN PARAMETER LIST, likewise. */
export function invalidParameter(device: DeviceServer, task: Task, byte: number, bit: number | null): void {
  endWithField(device, task, SENSE.invalidFieldInParameterList, { in: "parameter-list", byte, bit });
}

/** Ends the task with CHECK CONDITION and a pointer to the field that is to blame. */
export function endWithField(device: DeviceServer, task: Task, sense: Sense, field: FieldPointer): void {
  endWithSense(task, sense, { descriptor: device.descriptorSense, field });
}

/** Ends the task with GOOD and the first `length` bytes of `answer`, cut to the allocation length (SPC-4 4.2.5.6). */
export function reply(task: Task, answer: Uint8Array, length: number, allocationLength: number): void {
  task.transferLength = Math.min(length, allocationLength);
  task.data.write(answer.subarray(0, task.transferLength));
  task.end(Status.good);
}

/**
 * Copies a parameter list of `length` bytes into the device's scratch bytes, once, so that the initiator cannot change
 * what was checked. False, and the task is ended, when there is less data than that.
 */
export function takeParameters(device: DeviceServer, task: Task, length: number): boolean {
  if (length > device.scratch.length || task.data.length < length) {
    check(device, task, SENSE.parameterListLengthError);
    return false;
  }
  task.data.read(device.scratch.subarray(0, length));
  return true;
}
