// What a guest's commands allocate in steady state.

import { BlockRequest, type Disk } from "@pvscsi/guest";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { diskStand, placesOf } from "./stand.js";

describe("memory", () => {
  /** Allocation per 4 KiB command, read and written, on the adapter's pages and on others by turns. */
  function measure(disk: Disk, requests: readonly BlockRequest[]): number {
    let left = 0;
    const next = (request: BlockRequest): void => {
      if (request.failure !== null) throw new Error(request.failure.words);
      if (left-- === 0) return;
      const other = requests[left & 1];
      other.operation = left & 2 ? "read" : "write";
      other.offset = (left % 200) * 4096;
      disk.submit(other);
    };
    for (const request of requests) request.completed = next;
    return allocatedPerRecord((records) => {
      left = records;
      disk.submit(requests[0]);
    });
  }

  it("is not allocated for a command, and a chain of completions does not grow the stack", async () => {
    const { disk } = await diskStand();
    const own = new BlockRequest();
    Object.assign(own, { adapterPages: true, length: 4096, places: placesOf(...disk.allocate(1)) });
    const foreign = new BlockRequest();
    Object.assign(foreign, { length: 4096, places: placesOf(new Uint8Array(4096)) });
    // The smallest object has 12 bytes; what is measured is the engine's own, and does not grow with the commands.
    expect(measure(disk, [own, foreign])).to.be.lessThan(6);
  }).timeout(20_000);
});
