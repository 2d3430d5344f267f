// Knows SG_IO: where the SCSI commands of a program go that has opened a device, be it a SCSI device or another one that
// takes them.

import { type BlockAdapter, Command, HostByte } from "@pvscsi/scsi";
import type { ScsiDevice } from "./device.js";
import { directionOf, type Outcome, outcomeOf, type PassThroughOptions, passThrough } from "./pass-through.js";
import { PAGE } from "./request.js";
import type { RequestQueue } from "./request-queue.js";

export interface CommandPath {
  /** Bytes one command may move, and bytes of a CDB. */
  readonly maxTransfer: number;
  readonly maxCdb: number;
  /** Sends one command and waits for its end. It never throws: whatever happens is in the outcome. */
  send(cdb: Uint8Array, options: PassThroughOptions): Promise<Outcome>;
}

/** To a SCSI device, by its host's queue. */
export function deviceCommands(queue: RequestQueue, device: ScsiDevice): CommandPath {
  const { maxTransfer, maxCdb } = queue.adapter.limits;
  return { maxTransfer, maxCdb, send: (cdb, options) => passThrough(queue, device, cdb, options) };
}

/** The longest CDB of Linux' block layer's own. */
const BLOCK_CDB = 32;

/** To the unit behind a block adapter that passes commands. There is no time limit: such a driver has none. */
export function adapterCommands(adapter: BlockAdapter): CommandPath {
  const { maxTransfer } = adapter.limits;
  return {
    maxTransfer,
    maxCdb: BLOCK_CDB,
    send: (cdb, options) => new Promise((resolve) => passToAdapter(adapter, cdb, options, resolve)),
  };
}

function passToAdapter(
  adapter: BlockAdapter,
  cdb: Uint8Array,
  { receive = 0, send = new Uint8Array(0) }: PassThroughOptions,
  resolve: (outcome: Outcome) => void,
): void {
  const length = Math.max(receive, send.length);
  const command = new Command();
  command.cdb.set(cdb);
  command.cdbLength = cdb.length;
  command.direction = directionOf(receive, send.length);
  const pages = pagesOf(adapter, length);
  if (pages === null) {
    command.hostByte = HostByte.allocationFailure;
    return resolve(outcomeOf(command, 0));
  }
  for (const [i, page] of pages.entries()) command.data.add(page.fill(0), 0, Math.min(PAGE, length - i * PAGE));
  command.data.write(send);
  command.completed = () => {
    const outcome = outcomeOf(command, receive);
    adapter.free(pages);
    resolve(outcome);
  };
  adapter.pass(command);
}

/** Null when the adapter has no more memory. */
function pagesOf(adapter: BlockAdapter, length: number): Uint8Array[] | null {
  try {
    return adapter.allocate(Math.ceil(length / PAGE));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}
