import {
  type Cartridge,
  createTape,
  LoadedTape,
  MemoryStore,
  StoreRequest,
  type TapeStore,
  Target,
} from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { hex, IDENTITY, Initiator, pattern, toHex } from "./initiator.js";
import { ended, MEBIBYTE, position, read, rewind, space, withTape, write, writeFilemarks } from "./taping.js";

function transfer(store: MemoryStore, operation: "read" | "write", bytes: Uint8Array): void {
  const request = new StoreRequest();
  request.operation = operation;
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  store.submit(request);
}

/** A cartridge with one partition that has these bytes. */
function cartridgeOf(bytes: Uint8Array): Cartridge {
  const store = new MemoryStore(MEBIBYTE);
  transfer(store, "write", bytes);
  const partition: TapeStore = { bytes: store, written: bytes.length, cut: (_length, done) => done(null) };
  return { label: {}, capacity: MEBIBYTE, partitions: [partition], partition: async () => {}, close: async () => {} };
}

async function driveOf(bytes: Uint8Array): Promise<Initiator> {
  const drive = createTape({ ...IDENTITY, tape: await LoadedTape.of(cartridgeOf(bytes)) });
  const target = new Target();
  target.add(0, drive);
  return new Initiator(target).settle();
}

/** What is on a tape: lengths of records, and 0 for a filemark. */
function walk(initiator: Initiator): number[] {
  const found: number[] = [];
  for (;;) {
    const sent = read(initiator, 4096, { flags: 2 });
    const how = ended(sent);
    if (how.startsWith("8/0/5")) return found;
    found.push(how.startsWith("0/0/1") ? 0 : sent.task.transferLength);
  }
}

/** Three bytes, a filemark, a byte, as SIMH has them. */
const WHOLE = "03 00 00 00 01 03 05 00 03 00 00 00  00 00 00 00  01 00 00 00 07 00 01 00 00 00";

describe("a tape's format", () => {
  it("is SIMH's: lengths before and behind the data, padded to even, zero for a filemark", async () => {
    const { initiator, tape } = await withTape();
    write(initiator, hex("01 03 05")).good();
    writeFilemarks(initiator).good();
    write(initiator, hex("07")).good();
    const bytes = new Uint8Array(26);
    transfer(tape.here.store.bytes as MemoryStore, "read", bytes);
    expect(toHex(bytes)).to.equal(toHex(hex(WHOLE)));
    expect(tape.here.written).to.equal(26);
  });

  it("cut at any byte has all that was whole, and goes on behind it", async () => {
    const bytes = hex(WHOLE);
    for (let length = 0; length <= bytes.length; length++) {
      const whole = length === bytes.length ? [3, 0, 1] : length >= 16 ? [3, 0] : length >= 12 ? [3] : [];
      const initiator = await driveOf(bytes.subarray(0, length));
      expect(walk(initiator), `${length} bytes`).to.deep.equal(whole);
      write(initiator, pattern(5)).good();
      rewind(initiator).good();
      expect(walk(initiator), `${length} bytes`).to.deep.equal([...whole, 5]);
    }
  });

  it("has gaps, records that were read with an error, and an end, as other programs leave them", async () => {
    const gap = "fe ff ff ff";
    const bad = "02 00 00 80 01 02 02 00 00 80";
    const initiator = await driveOf(hex(`${gap} ${bad} ${gap} 01 00 00 00 09 00 01 00 00 00 ff ff ff ff ${bad}`));
    expect(ended(read(initiator, 2))).to.equal("3/11/0 2");
    expect(read(initiator, 1).bytes).to.deep.equal(hex("09"));
    expect(ended(read(initiator, 1))).to.equal("8/0/5 1");
    space(initiator, 0, -1).good();
    expect(read(initiator, 1).bytes).to.deep.equal(hex("09"));
  });

  it("ends where a length is none, and nothing behind it is lost by looking", async () => {
    const initiator = await driveOf(hex("01 00 00 00 09 00 01 00 00 00 01 00 00 70 00 00 01 00 00 70"));
    expect(walk(initiator)).to.deep.equal([1]);
    expect(position(initiator).object).to.equal(1);
  });
});
