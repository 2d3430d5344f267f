// Knows VPD page 8Fh, Third-Party Copy (SPC-4 7.8.17): what the copy manager does and how much of it at once.

import { put16, put32 } from "../big-endian.js";
import type { CommandRow, CommandTable } from "../device-server.js";
import { COPY_LIMITS, DESCRIPTOR_TYPES } from "./limits.js";

/** What it tells of a device. */
export interface CopyPageDevice {
  readonly blockSize: number;
  readonly table: CommandTable<never>;
}

const DescriptorType = { commands: 0x0001, parameters: 0x0004, descriptors: 0x0008, general: 0x8001 } as const;

/** Writes its descriptors from byte 4 on, over zeros; returns the length of the whole page. */
export function writeCopyPage(bytes: Uint8Array, { blockSize, table }: CopyPageDevice): number {
  let at = 4;
  const begin = (type: number, length: number): number => {
    // The length of each is a multiple of four.
    const padded = Math.ceil(length / 4) * 4;
    put16(bytes, at, type);
    put16(bytes, at + 2, padded);
    at += 4 + padded;
    return at - padded;
  };
  const commands = supportedCommands(table.rows);
  const list = begin(DescriptorType.commands, 1 + commands.length);
  bytes[list] = commands.length;
  bytes.set(commands, list + 1);
  const parameters = begin(DescriptorType.parameters, 28);
  put16(bytes, parameters + 4, COPY_LIMITS.targets);
  put16(bytes, parameters + 6, COPY_LIMITS.segments);
  put32(bytes, parameters + 8, COPY_LIMITS.descriptors);
  const descriptors = begin(DescriptorType.descriptors, 1 + DESCRIPTOR_TYPES.length);
  bytes[descriptors] = DESCRIPTOR_TYPES.length;
  bytes.set(DESCRIPTOR_TYPES, descriptors + 1);
  const general = begin(DescriptorType.general, 32);
  put32(bytes, general, COPY_LIMITS.concurrent);
  put32(bytes, general + 4, COPY_LIMITS.concurrent);
  put32(bytes, general + 8, COPY_LIMITS.segmentBlocks * blockSize);
  bytes[general + 12] = Math.log2(blockSize);
  return at;
}

const COPY_OPCODES: readonly number[] = [0x83, 0x84];

/** Each opcode with its service actions. */
function supportedCommands(rows: readonly CommandRow<never>[]): number[] {
  return COPY_OPCODES.flatMap((opcode) => {
    const actions = rows
      .filter((row) => row.command.opcode === opcode)
      .map(({ command }) => command.serviceAction ?? 0);
    return [opcode, actions.length, ...actions];
  });
}
