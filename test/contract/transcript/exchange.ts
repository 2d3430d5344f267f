// Knows one request of the transcript, how it is sent by a wire, and what came of it as a line of text.

import { createHash } from "node:crypto";
import { Command, type DataDirection, describeCdb, type TaskAttribute } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";
import type { Wire } from "./wires.js";

export interface Request {
  readonly lun: number;
  readonly cdb: readonly number[];
  readonly attribute?: TaskAttribute;
  readonly direction?: DataDirection;
  /** What is sent. */
  readonly out?: Uint8Array;
  /** Bytes of room for what comes. */
  readonly room?: number;
  /** What happens at the unit before it is sent. */
  readonly before?: "reset" | "grow";
}

export interface Outcome {
  readonly hostByte: number;
  readonly status: number;
  readonly residual: number;
  readonly sense: string;
  /** The whole buffer after the command. */
  readonly data: Uint8Array;
}

/** What lies in the buffers before a command: what is left alone stays so. */
const UNTOUCHED = 0xa5;
const PAGE = 4096;

/** Sends a request by a wire; it completes exactly once. */
export async function send(wire: Wire<string>, request: Request): Promise<Outcome> {
  const { adapter, units } = wire;
  const { out, room = 0, before } = request;
  if (before === "reset") units.all[request.lun].reset();
  if (before === "grow") await units.stores[request.lun].grow(units.stores[request.lun].size + 64 * PAGE);
  const length = out?.length ?? room;
  const command = new Command();
  const pages = adapter.allocate(Math.ceil(length / PAGE));
  for (const [i, page] of pages.entries()) command.data.add(page.fill(UNTOUCHED), 0, Math.min(PAGE, length - i * PAGE));
  if (out !== undefined) command.data.write(out);
  command.lun = request.lun;
  command.cdb.set(request.cdb);
  command.cdbLength = request.cdb.length;
  command.attribute = request.attribute ?? "simple";
  command.direction = request.direction ?? (out !== undefined ? "to-device" : room > 0 ? "from-device" : "none");
  let completions = 0;
  command.completed = () => {
    completions += 1;
  };
  adapter.queue(command);
  await wire.settle();
  if (completions !== 1) throw new Error(`${describeCdb(command.cdb, command.cdbLength)}: ${completions} completions`);
  const data = new Uint8Array(length);
  command.data.read(data);
  adapter.free(pages);
  const { hostByte, status, residual, sense, senseLength } = command;
  return { hostByte, status, residual, sense: hexBytes(sense.subarray(0, senseLength)), data };
}

/** `1: READ(10) lba=8 blocks=1 -> 00/02 residual 512 sense 70 00 05 ... data 8f1c...` */
export function line({ lun, cdb }: Request, { hostByte, status, residual, sense, data }: Outcome): string {
  const digest = createHash("sha256").update(data).digest("hex");
  const answer = `${hostByte}/${status} residual ${residual} sense ${sense || "none"} data ${data.length} ${digest}`;
  return `${lun}: ${describeCdb(Uint8Array.from(cdb))} [${hexBytes(Uint8Array.from(cdb))}] -> ${answer}`;
}
