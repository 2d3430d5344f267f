// Features that can be switched off: the commands are gone, and nothing says that they are there.

import { ALL_FEATURES, COMMANDS, createDisk, type DiskFeatures, MemoryStore, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { BLOCKS, IDENTITY, Initiator, withDisk } from "./initiator.js";

function without(...names: (keyof DiskFeatures)[]) {
  return withDisk({ features: Object.fromEntries(names.map((name) => [name, false])) }).initiator;
}

function opcodesOf(initiator: Initiator): Set<number> {
  const { bytes } = initiator.send("a3 0c 00 00 00 00 00 00 20 00 00 00", { room: 8192 });
  const opcodes = new Set<number>();
  for (let at = 4; at < bytes.length; at += 8) opcodes.add(bytes[at]);
  return opcodes;
}

const GONE: { readonly [Name in keyof DiskFeatures]: readonly number[] } = {
  unmap: [0x42],
  writeSameUnmap: [],
  unmapZeroes: [],
  compareAndWrite: [0x89],
  thirdPartyCopy: [0x83, 0x84],
  reservable: [0x16, 0x17, 0x56, 0x57, 0x5e, 0x5f],
};

describe("a disk's features", () => {
  const all = opcodesOf(withDisk().initiator);

  for (const name of Object.keys(ALL_FEATURES) as (keyof DiskFeatures)[]) {
    it(`without ${name}, has neither its commands nor fewer others`, () => {
      const initiator = without(name);
      expect(all).to.deep.equal(new Set([...opcodesOf(initiator), ...GONE[name]]));
      for (const opcode of GONE[name]) {
        expect(Object.values(COMMANDS).some((command) => command.opcode === opcode)).to.equal(true);
        initiator.send(Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? opcode : 0))).checked(SENSE.invalidOpcode);
      }
    });
  }

  it("are what the VPD pages say", () => {
    const page = (initiator: Initiator, code: string) =>
      initiator.send(`12 01 ${code} 00 ff 00`, { room: 255 }).bytes.slice();
    expect(page(without("compareAndWrite"), "b0")[5]).to.equal(0);
    expect(page(without("unmap"), "b0").slice(20, 28)).to.deep.equal(new Uint8Array(8));
    expect(page(without("unmap"), "b2")[5]).to.equal(0x64);
    expect(page(without("writeSameUnmap"), "b2")[5]).to.equal(0x84);
    expect(page(without("unmapZeroes"), "b2")[5]).to.equal(0xe0);
    expect(page(without("unmap", "writeSameUnmap"), "b2").slice(5, 7)).to.deep.equal(new Uint8Array(2));
    const alone = without("thirdPartyCopy");
    expect([...page(alone, "00")].includes(0x8f)).to.equal(false);
    alone.send("12 01 8f 00 ff 00", { room: 255 }).checked(SENSE.invalidFieldInCdb, "c0 00 02");
    expect(alone.send("12 00 00 00 06 00", { room: 6 }).bytes[5]).to.equal(0);
  });

  it("without writeSameUnmap, refuse its bit", () => {
    const initiator = without("writeSameUnmap");
    const same = { out: new Uint8Array(512) };
    initiator.send("41 08 00 00 00 00 00 00 01 00", same).checked(SENSE.invalidFieldInCdb, "cb 00 01");
    initiator.send("41 00 00 00 00 00 00 00 01 00", same).good();
    initiator
      .send("93 08 00 00 00 00 00 00 00 00 00 00 00 01 00 00", same)
      .checked(SENSE.invalidFieldInCdb, "cb 00 01");
  });

  it("without unmapZeroes, promise nothing of what was given back, and give back whatever the block that comes with it", () => {
    const capacity = (initiator: Initiator) =>
      initiator.send("9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", { room: 32 }).bytes[14];
    const [promised, initiator] = [withDisk().initiator, without("unmapZeroes")];
    expect([capacity(promised), capacity(initiator)]).to.deep.equal([0xc0, 0x80]);
    const ones = { out: new Uint8Array(512).fill(0xff) };
    for (const [disk, status] of [
      [promised, 0],
      [initiator, 1],
    ] as const) {
      disk.send("41 08 00 00 00 08 00 00 08 00", ones).good();
      const { bytes } = disk.send("9e 12 00 00 00 00 00 00 00 08 00 00 00 18 00 00", { room: 24 }).good();
      expect(bytes[20], "provisioning status").to.equal(status);
      disk.send("41 00 00 00 00 08 00 00 08 00", ones).good();
      expect(disk.send("28 00 00 00 00 08 00 00 01 00", { room: 512 }).good().bytes).to.deep.equal(ones.out);
    }
  });

  it("without thirdPartyCopy, keep others from copying from or to it", () => {
    const target = new Target();
    const store = () => new MemoryStore(BLOCKS * 512);
    target.add(0, createDisk({ ...IDENTITY, store: store() }));
    const wwn = "5000c500deadbeef";
    target.add(1, createDisk({ ...IDENTITY, wwn, store: store(), features: { thirdPartyCopy: false } }));
    const initiator = new Initiator(target).settle();
    const name = `01 03 00 08 ${wwn} ${"00".repeat(12)}`;
    const segment = `02 00 00 18 0000 0000 0000 0001 ${"00".repeat(16)}`;
    const out = `01 00 00 20 00000000 0000001c 00000000 e4 00 00 00 ${name} 00 000200 ${segment}`;
    initiator
      .send("83 00 00 00 00 00 00 00 00 00 00 00 00 4c 00 00", { out })
      .checked(SENSE.copyTargetDeviceNotReachable);
  });
});
