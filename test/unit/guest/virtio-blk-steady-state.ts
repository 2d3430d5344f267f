// A program: prints what reads and writes of 4 KiB cost a guest on virtio-blk, as JSON. It has a process of its own, as
// code that other tests have called with other types is compiled to box numbers.

import { BlockRequest, Guest } from "@pvscsi/guest";
import { MemoryStore } from "@pvscsi/scsi";
import { Arena, InProcessTransport, PAGE_SIZE, VirtioBlkAdapter, VirtioBlkDevice } from "@pvscsi/virtio";
import { Simulation, seededRandom, TurnScheduler } from "@pvscsi/wire";
import { allocatedPerRecord } from "../../support/allocation.js";
import { placesOf } from "./stand.js";

let next: (() => void) | null = null;
const scheduler = new TurnScheduler((callback) => {
  next = callback;
});

function run(): void {
  while (next !== null) {
    const turn = next;
    next = null;
    turn();
  }
}

const memory = new Arena(new ArrayBuffer(512 * PAGE_SIZE));
const device = new VirtioBlkDevice({ store: new MemoryStore(1 << 20), scheduler });
const transport = new InProcessTransport({ device, memory, scheduler });
const adapter = await VirtioBlkAdapter.probe({ transport, scheduler });
const guest = new Guest({ clock: new Simulation(seededRandom(1)), scheduler, name: "domU" });
const disk = guest.attachBlock(adapter);

let left = 0;
let failed = 0;

/** Reads on pages of the adapter's and writes from others, four of each under way. */
const requests = Array.from({ length: 8 }, (_, index) => {
  const request = new BlockRequest();
  request.operation = index % 2 === 0 ? "read" : "write";
  request.adapterPages = index % 2 === 0;
  request.places = index % 2 === 0 ? placesOf(...disk.allocate(1)) : placesOf(new Uint8Array(4096));
  request.length = 4096;
  request.offset = index * 4096;
  request.completed = ended;
  return request;
});

function ended(request: BlockRequest): void {
  if (request.failure !== null) failed += 1;
  if (left-- > 0) disk.submit(request);
}

const bytesEach = allocatedPerRecord((records) => {
  left = records - requests.length;
  for (const request of requests) disk.submit(request);
  run();
});
console.log(JSON.stringify({ bytesEach, failed }));
