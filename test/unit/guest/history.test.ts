// Whole histories from a seed: requests of all kinds while the adapter delays, refuses, forgets and aborts commands.
// Every request ends once, and the disk holds what the requests that succeeded wrote.

import { BlockRequest, type Disk } from "@pvscsi/guest";
import { type Command, HostByte, SENSE, Status } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { type Answer, ScriptedAdapter } from "./scripted-adapter.js";
import { Stand } from "./stand.js";

const SLOTS = 32;
const SLOT = 16 * 1024;

/** Answers that a disk survives. */
const TROUBLE: Exclude<Answer, "never">[] = [
  { status: Status.busy },
  { status: Status.taskSetFull },
  { sense: SENSE.resetOccurred },
  { sense: SENSE.abortedCommand },
  { hostByte: HostByte.busBusy },
  { hostByte: HostByte.reset },
  { hostByte: HostByte.requeue },
  { hostByte: HostByte.transportDisrupted },
];

/** Keeps each command for a while, and gives some of them trouble. */
function makeTrouble(adapter: ScriptedAdapter, stand: Stand, random: Random): void {
  adapter.script = (command) => {
    const fate = random.below(100);
    if (fate < 60) return null;
    if (fate < 70) return TROUBLE[random.below(TROUBLE.length)];
    // Forgotten, until it is aborted.
    if (fate < 72) return "never";
    const later = (): void => {
      if (!adapter.held.has(command)) return;
      adapter.script = () => null;
      adapter.held.delete(command);
      adapter.queue(command);
      makeTrouble(adapter, stand, random);
    };
    stand.time.after(random.below(20), { run: later });
    return "never";
  };
  adapter.manageWith = (management) => {
    const victim = management.victim as Command;
    // A command that was aborted comes back now, later, or not for long.
    const end = (): void => {
      if (adapter.held.has(victim)) adapter.end(victim, { hostByte: HostByte.abort });
    };
    if (random.chance(0.3)) end();
    else stand.time.after(random.below(10_000), { run: end });
    adapter.held.add(victim);
    return true;
  };
}

/** One slot of the disk: requests on it come one after the other, and the model knows what must be there. */
class Slot {
  readonly #disk: Disk;
  readonly #offset: number;
  readonly #random: Random;
  readonly model = new Uint8Array(SLOT);
  ends = 0;

  constructor(disk: Disk, index: number, random: Random) {
    this.#disk = disk;
    this.#offset = index * SLOT;
    this.#random = random.fork(`slot ${index}`);
  }

  async run(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) await this.#step();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const start = random.below(SLOT / 512) * 512;
    const length = (1 + random.below((SLOT - start) / 512)) * 512;
    const kind = random.below(4);
    const operation = kind === 0 ? "read" : kind === 1 ? "write-zeroes" : kind === 2 ? "flush" : "write";
    const pages = this.#disk.allocate(Math.ceil(length / 4096));
    const request = new BlockRequest();
    Object.assign(request, { operation, offset: this.#offset + start, length });
    request.adapterPages = random.chance(0.5);
    if (operation !== "write-zeroes" && operation !== "flush") {
      for (let left = length, i = 0; left > 0; i++, left -= 4096) request.places.add(pages[i], 0, Math.min(4096, left));
    }
    const data = Uint8Array.from({ length }, () => random.below(256));
    if (operation === "write") request.places.write(data);
    await new Promise<void>((resolve) => {
      request.completed = () => {
        this.ends += 1;
        resolve();
      };
      this.#disk.submit(request);
    });
    expect(request.failure?.words ?? null, operation).to.equal(null);
    if (operation === "write") this.model.set(data, start);
    else if (operation === "write-zeroes") this.model.fill(0, start, start + length);
    else if (operation === "read") {
      request.places.read(data);
      expect(data).to.deep.equal(this.model.slice(start, start + length));
    }
  }
}

describe("histories with trouble", () => {
  for (let seed = 1; seed <= 12; seed++) {
    it(`seed ${seed}`, async () => {
      const random = seededRandom(seed, "history");
      const stand = new Stand(seed);
      const adapter = new ScriptedAdapter({
        queueDepth: 1 + random.below(8),
        maxTransfer: 4096 * (1 + random.below(8)),
      });
      await stand.attach(adapter);
      makeTrouble(adapter, stand, random);
      const slots = Array.from({ length: SLOTS }, (_, index) => new Slot(stand.disk(), index, random));
      await stand.until(Promise.all(slots.map((slot) => slot.run(6))));
      expect(slots.map(({ ends }) => ends)).to.deep.equal(new Array(SLOTS).fill(6));
      for (const [index, { model }] of slots.entries()) {
        expect(adapter.memory.slice(index * SLOT, (index + 1) * SLOT)).to.deep.equal(model);
      }
      adapter.script = () => null;
      await stand.until(stand.guest.detach(stand.guest.hosts[0]));
    });
  }
});
