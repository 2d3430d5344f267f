// Knows READ BUFFER and WRITE BUFFER (SPC-4 6.18, 6.49): a buffer that all initiators share, and an echo buffer for each, to try out a
// wire with. There is no firmware to load.

import type { ReachName } from "./alua/states.js";
import { get24, put24 } from "./big-endian.js";
import { check, type DeviceServer, invalidField, reply, takeParameters } from "./device-server.js";
import { SENSE } from "./sense.js";
import { Status, type Task, type TaskNexus } from "./task.js";

/** MODE of both commands. */
const Mode = { data: 0x02, descriptor: 0x03, echo: 0x0a, echoDescriptor: 0x0b } as const;

/** Bytes of each buffer: of echo buffers there is one for each initiator of each unit. */
const CAPACITY = 4096;

/** What a device keeps of them; nothing is allocated before something is written. */
export class Buffers {
  data: Uint8Array | null = null;
  /** As long as what was written; forgotten with the nexus. */
  echoes = new WeakMap<TaskNexus, Uint8Array>();

  clear(): void {
    this.data = null;
    this.echoes = new WeakMap();
  }
}

export interface BufferedDevice extends DeviceServer {
  readonly buffers: Buffers;
}

const modeOf = (cdb: Uint8Array): number => cdb[1] & 0x1f;

/** The echo buffers are for trying out a wire, whatever it leads to (SPC-4 5.15.2.4). */
export function bufferReach(cdb: Uint8Array): ReachName {
  const mode = modeOf(cdb);
  return mode === Mode.echo || mode === Mode.echoDescriptor ? "always" : "active";
}

export function readBuffer(device: BufferedDevice, task: Task): void {
  switch (modeOf(task.cdb)) {
    case Mode.data:
      return readData(device, task);
    case Mode.descriptor:
      return readDescriptor(device, task);
    case Mode.echo:
      return readEcho(device, task);
    case Mode.echoDescriptor:
      return reply(task, ECHO_DESCRIPTOR, ECHO_DESCRIPTOR.length, get24(task.cdb, 6));
    default:
      return invalidField(device, task, 1, 4);
  }
}

function readData(device: BufferedDevice, task: Task): void {
  const { cdb } = task;
  const offset = get24(cdb, 3);
  if (cdb[2] !== 0) return invalidField(device, task, 2, null);
  if (offset > CAPACITY) return invalidField(device, task, 3, null);
  const bytes = (device.buffers.data ?? NOTHING).subarray(offset);
  reply(task, bytes, bytes.length, get24(cdb, 6));
}

const NOTHING = new Uint8Array(CAPACITY);

/** Offsets may be any byte; a buffer that is not there has no capacity (SPC-4 6.18.4). */
function readDescriptor({ scratch }: BufferedDevice, task: Task): void {
  scratch[0] = 0;
  put24(scratch, 1, task.cdb[2] === 0 ? CAPACITY : 0);
  reply(task, scratch, 4, get24(task.cdb, 6));
}

/** EBOS: what one initiator wrote is not overwritten by another. */
const ECHO_DESCRIPTOR = Uint8Array.of(0x01, 0, CAPACITY >>> 8, CAPACITY & 0xff);

function readEcho(device: BufferedDevice, task: Task): void {
  const echo = task.nexus === null ? undefined : device.buffers.echoes.get(task.nexus);
  if (echo === undefined) return check(device, task, SENSE.commandSequenceError);
  reply(task, echo, echo.length, get24(task.cdb, 6));
}

export function writeBuffer(device: BufferedDevice, task: Task): void {
  const mode = modeOf(task.cdb);
  if (mode === Mode.data) writeData(device, task);
  else if (mode === Mode.echo) writeEcho(device, task);
  else invalidField(device, task, 1, 4);
}

function writeData(device: BufferedDevice, task: Task): void {
  const { cdb } = task;
  const offset = get24(cdb, 3);
  const length = get24(cdb, 6);
  if (cdb[2] !== 0) return invalidField(device, task, 2, null);
  if (offset > CAPACITY) return invalidField(device, task, 3, null);
  if (offset + length > CAPACITY) return invalidField(device, task, 6, null);
  if (length === 0) return task.end(Status.good);
  if (!takeParameters(device, task, length)) return;
  device.buffers.data ??= new Uint8Array(CAPACITY);
  device.buffers.data.set(device.scratch.subarray(0, length), offset);
  task.transferLength = length;
  task.end(Status.good);
}

/** Buffer and offset do not matter. */
function writeEcho(device: BufferedDevice, task: Task): void {
  const length = get24(task.cdb, 6);
  if (length > CAPACITY) return invalidField(device, task, 6, null);
  if (length === 0) return task.end(Status.good);
  if (!takeParameters(device, task, length)) return;
  if (task.nexus !== null) device.buffers.echoes.set(task.nexus, device.scratch.slice(0, length));
  task.transferLength = length;
  task.end(Status.good);
}
