// Knows how a message is shown to a person, in one line, from the same tables that read it.

import type { Cursor, StructClass } from "@pvscsi/wire";
import { isScalar } from "@pvscsi/wire";
import { ConfigRange, MESSAGES, MemoryRegion, MemoryTable, Value, VringAddress, VringState } from "./messages.js";
import type { Message } from "./reader.js";

/** `SET_VRING_NUM index 2 num 128`. */
export function printMessage({ name, id, payload, descriptors }: Message): string {
  if (name === null) return `message ${id} with ${payload.length} bytes`;
  const kind = MESSAGES[name];
  const files = descriptors.length > 0 ? [`with ${descriptors.length} descriptors`] : [];
  return [kind.name, ...printPayload(kind.payload, payload), ...files].join(" ");
}

function printPayload(kind: (typeof MESSAGES)[keyof typeof MESSAGES]["payload"], payload: Uint8Array): string[] {
  switch (kind) {
    case "none":
      return [];
    case "value": {
      const { low, high } = new Value(payload);
      return [`0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`];
    }
    case "state":
      return fieldsOf(VringState, payload, 0);
    case "address":
      return fieldsOf(VringAddress, payload, 0);
    case "config":
      return fieldsOf(ConfigRange, payload, 0);
    case "memory": {
      const lines = fieldsOf(MemoryTable, payload, 0);
      for (let at = MemoryTable.size; at < payload.length; at += MemoryRegion.size) {
        lines.push(`[${fieldsOf(MemoryRegion, payload, at).join(" ")}]`);
      }
      return lines;
    }
  }
}

/** Numbers from 65536 on are addresses and sizes of memory, in hex. Any 64 bits can be shown. */
function fieldsOf(struct: StructClass<Cursor>, bytes: Uint8Array, base: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + base);
  return Object.entries(struct.fields).flatMap(([name, field]) => {
    if (!isScalar(field)) return [];
    const { offset, size } = field;
    const value = size === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true));
    return [name, value < 0x10000n ? `${value}` : `0x${value.toString(16)}`];
  });
}
