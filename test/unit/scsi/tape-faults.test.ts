import { createTape, faulty, LoadedTape, MemoryCartridge, parseFault, Status, Target } from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { IDENTITY, Initiator, pattern } from "./initiator.js";
import { ended, MEBIBYTE, position, read, rewind, write, writeFilemarks } from "./taping.js";

/** A drive whose cartridge's store has a fault, given by a word. */
async function withFault(word: string) {
  const clock = new Simulation(seededRandom(1));
  const cartridge = new MemoryCartridge(MEBIBYTE);
  const [store] = cartridge.partitions;
  const fault = parseFault(word, 512);
  if (typeof fault === "string") throw new Error(fault);
  cartridge.partitions = [{ ...store, bytes: faulty(store.bytes, [fault], clock) }];
  const drive = createTape({ ...IDENTITY, tape: await LoadedTape.of(cartridge) });
  const target = new Target();
  target.add(0, drive);
  return { clock, drive, initiator: new Initiator(target).settle() };
}

describe("a tape drive whose store fails", () => {
  it("tells a write that failed, and writes anew where it was", async () => {
    const { initiator } = await withFault("write:times=1,medium-error");
    expect(ended(write(initiator, pattern(100)))).to.equal("3/c/0");
    expect(position(initiator).object).to.equal(0);
    expect(ended(write(initiator, pattern(50)))).to.equal("good");
    expect(ended(rewind(initiator))).to.equal("good");
    expect(read(initiator, 50).bytes).to.deep.equal(pattern(50));
    expect(ended(read(initiator, 50))).to.equal("8/0/5 50");
    const alerts = initiator.send("4d 00 6e 00 00 00 06 00 40 00", { room: 64 }).bytes;
    expect(alerts[4 + 4]).to.equal(1);
  });

  it("tells a flush that failed at the filemarks it was for, and at whatever moves the tape", async () => {
    const { initiator } = await withFault("flush:times=2,hardware-error");
    expect(ended(write(initiator, pattern(100)))).to.equal("good");
    expect(ended(writeFilemarks(initiator))).to.equal("4/44/0");
    expect(ended(rewind(initiator))).to.equal("4/44/0");
    expect(position(initiator).object).to.equal(2);
    expect(ended(rewind(initiator))).to.equal("good");
  });

  it("calls a file system that is full the end of the partition", async () => {
    const { initiator } = await withFault("write:no-space");
    expect(ended(write(initiator, pattern(100)))).to.equal("d/0/2 eom 100");
  });

  it("lets commands wait for the one that moves the tape, and ends those that are aborted", async () => {
    const { clock, initiator } = await withFault("write:delay=5ms");
    const first = write(initiator, pattern(100));
    const second = write(initiator, pattern(200));
    const third = rewind(initiator);
    const inquiry = initiator.send("12 00 00 00 24 00", { room: 36 });
    inquiry.good();
    expect([first.ends, second.ends, third.ends]).to.deep.equal([0, 0, 0]);
    initiator.nexus.manage({ function: "abort-task", lun: 0, tag: second.task.tag, completed: () => {} });
    while (clock.step());
    expect([first.ends, second.ends, third.ends]).to.deep.equal([1, 1, 1]);
    expect([first.task.status, third.task.status]).to.deep.equal([Status.good, Status.good]);
    expect(read(initiator, 100).bytes).to.deep.equal(pattern(100));
    expect(ended(read(initiator, 200))).to.equal("8/0/5 200");
  });
});
