// Knows the commands of a driver while they are under way: a piece of shared memory for the headers of each, and a tag.

import type { Command, TaskAttribute } from "@pvscsi/scsi";
import { copyBytes, Places } from "@pvscsi/wire";
import { CommandRequest, CommandResponse, TASK_ATTRIBUTES } from "../abi/scsi.js";
import type { Arena } from "../arena.js";
import type { CommandSizes } from "./exchange.js";
import { writeRequestLun } from "./lun.js";

/** A command's headers, and the chain that it becomes. The device may write whatever it likes into both headers. */
export class CommandSlot {
  /** No other command under way has it. */
  readonly tag: number;
  readonly request: InstanceType<typeof CommandRequest>;
  readonly answer: InstanceType<typeof CommandResponse>;
  readonly readable = new Places();
  readonly writable = new Places();
  command: Command | null = null;

  /** Over its part of the driver's memory. */
  constructor(request: Uint8Array, answer: Uint8Array, tag: number) {
    this.request = new CommandRequest(request);
    this.answer = new CommandResponse(answer);
    this.tag = tag;
  }

  /** Writes the request, all of it, and lists its chain. */
  fill(command: Command): void {
    const { request, answer, readable, writable } = this;
    this.command = command;
    writeRequestLun(request.bytes, 0, command.target, command.lun);
    request.bytes.fill(0, CommandRequest.offsets.tagLow);
    request.tagLow = this.tag;
    if (command.attribute !== "simple") request.taskAttr = attributeCode(command.attribute);
    copyBytes(command.cdb, 0, request.bytes, CommandRequest.size, command.cdbLength);
    readable.clear();
    writable.clear();
    readable.add(request.bytes, 0, request.bytes.length);
    writable.add(answer.bytes, 0, answer.bytes.length);
    if (command.direction === "none") return;
    const data = command.direction === "to-device" ? readable : writable;
    for (let i = 0; i < command.data.count; i++) {
      data.add(command.data.page(i), command.data.offset(i), command.data.size(i));
    }
  }
}

/** What has no number has none of those that a device knows. */
function attributeCode(attribute: TaskAttribute): number {
  const code = TASK_ATTRIBUTES.indexOf(attribute);
  return code < 0 ? TASK_ATTRIBUTES.length : code;
}

/** Bytes that a slot's headers begin on multiples of. */
const ALIGN = 64;

/** Makes `count` slots, whose tags count from `first`. Throws RangeError when the memory has no room. */
export function commandSlots(memory: Arena, { cdb, sense }: CommandSizes, count: number, first: number): CommandSlot[] {
  const request = CommandRequest.size + cdb;
  const answer = CommandResponse.size + sense;
  const stride = round(request) + round(answer);
  const bytes = memory.range(count * stride);
  return Array.from({ length: count }, (_, i) => {
    const at = i * stride;
    const answerAt = at + round(request);
    return new CommandSlot(bytes.subarray(at, at + request), bytes.subarray(answerAt, answerAt + answer), first + i);
  });
}

function round(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}
