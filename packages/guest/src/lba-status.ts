// Knows how a guest asks a thin disk which of its blocks are backed: GET LBA STATUS (SBC-3 5.6). Knows no store.

import { COMMANDS } from "@pvscsi/scsi";
import type { ScsiDevice } from "./device.js";
import { LbaStatusCdb, LbaStatusDescriptor, LbaStatusHeader } from "./layouts.js";
import { passThrough } from "./pass-through.js";
import type { RequestQueue } from "./request-queue.js";

/** A run of blocks in one provisioning state. */
export interface LbaRun {
  readonly block: number;
  readonly blocks: number;
  /** Blocks without backing. Anchored ones are backed; "mapped or unknown" are taken to be. */
  readonly deallocated: boolean;
}

const DESCRIPTORS = 64;
const DEALLOCATED = 1;
const STATE_BITS = 0x0f;

/** The runs from `block` on, as far as one answer reaches; null when the device cannot tell. */
export async function askLbaStatus(queue: RequestQueue, device: ScsiDevice, block: number): Promise<LbaRun[] | null> {
  const receive = LbaStatusHeader.size + DESCRIPTORS * LbaStatusDescriptor.size;
  const cdb = new LbaStatusCdb(new Uint8Array(LbaStatusCdb.size));
  cdb.opcode = COMMANDS.getLbaStatus.opcode;
  cdb.serviceAction = COMMANDS.getLbaStatus.serviceAction ?? 0;
  cdb.logicalBlockAddress = block;
  cdb.allocationLength = receive;
  const { good, data } = await passThrough(queue, device, cdb.bytes, { receive, retries: 5 });
  return good ? readRuns(data, block) : null;
}

/** The first run begins at the block asked for or before it; each next one where the one before has ended. */
function readRuns(data: Uint8Array, block: number): LbaRun[] {
  const descriptor = new LbaStatusDescriptor(data);
  const runs: LbaRun[] = [];
  let next = block;
  for (let at = LbaStatusHeader.size; at + LbaStatusDescriptor.size <= data.length; at += LbaStatusDescriptor.size) {
    const { logicalBlockAddress, blocks, provisioning } = descriptor.at(at);
    const end = logicalBlockAddress + blocks;
    if (logicalBlockAddress > next || end <= next) break;
    runs.push({ block: next, blocks: end - next, deallocated: (provisioning & STATE_BITS) === DEALLOCATED });
    next = end;
  }
  return runs;
}
