// Knows the bound of a wire: the same blocks as frames of a plain WebSocket, each command one request and one response as
// long as what the xenbus sends for it, copied as often, without SCSI, rings and grants. This is the end that measures.

import { type Contender, newSlot, type Slot, type Workload } from "@pvscsi/bench";
import { COMMAND_SLOTS } from "@pvscsi/scsifront";
import type { Places } from "@pvscsi/wire";
import { WebSocket } from "ws";
import { addCounts, NO_COUNTS } from "./benchmark-counts.js";
import { DISK_SIZE } from "./benchmark-disk.js";
import { BenchmarkProcess } from "./benchmark-process.js";
import { FrameCounts, FrameHead, type FrameSizes, frameSizes, pagesOf } from "./benchmark-ws-frames.js";

/** Blocks of another process' store, asked for and answered in frames. */
export async function overPlainFrames(): Promise<Contender> {
  const server = new BenchmarkProcess("blocks");
  try {
    const { url, secret } = await server.ask("address");
    const socket = new WebSocket(`${url}/${secret}`, { perMessageDeflate: false });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    let slots: FrameSlot[] = [];
    const own = new FrameCounts();
    socket.on("message", (frame: Buffer) => slots[new FrameHead(frame).slot]?.answered(frame));
    const ended = new Promise<string>((resolve) => {
      socket.once("close", () => resolve("the connection has ended"));
    });
    return {
      name: "ws",
      size: DISK_SIZE,
      depth: COMMAND_SLOTS,
      elsewhere: () => server.ask("processor"),
      ended: Promise.race([server.ended, ended]),
      counts: async () => addCounts({ ...NO_COUNTS, ...own }, await server.ask("counts")),
      slots(workload) {
        slots = Array.from({ length: workload.depth }, (_, index) => new FrameSlot(socket, workload, index, own));
        return slots.map(({ slot }) => slot);
      },
      async close() {
        socket.terminate();
        await server.end();
      },
    };
  } catch (error) {
    await server.end();
    throw error;
  }
}

/** One operation under way: the frame that asks for it, and the pages it moves. */
class FrameSlot {
  readonly slot: Slot;
  readonly #workload: Workload;
  readonly #sizes: FrameSizes;
  readonly #pages: Places;
  readonly #counts: FrameCounts;

  constructor(socket: WebSocket, workload: Workload, index: number, counts: FrameCounts) {
    this.#counts = counts;
    this.#workload = workload;
    this.#sizes = frameSizes(workload);
    this.#pages = pagesOf(workload.size);
    const frame = Buffer.alloc(this.#sizes.request);
    const head = new FrameHead(frame);
    head.slot = index;
    head.operation = workload.operation;
    head.length = workload.size;
    const data = frame.subarray(this.#sizes.requestHead);
    this.slot = newSlot((offset) => {
      head.offset = offset;
      if (workload.operation === "write") counts.copiedBytes += this.#pages.read(data);
      counts.notifications += 1;
      socket.send(frame, { binary: true });
    });
  }

  answered(frame: Buffer): void {
    const { slot } = this;
    slot.failure = frame.length === this.#sizes.response ? null : `a response of ${frame.length} bytes`;
    if (this.#workload.operation === "read") {
      this.#counts.copiedBytes += this.#pages.write(frame.subarray(this.#sizes.responseHead));
    }
    slot.ended(slot);
  }
}
