// A library as a model has it: random moves, and what is left of them when the power goes in the midst of one.

import { Library, readInventory, StoreError } from "@pvscsi/scsi";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import {
  BARCODES,
  DRIVE,
  exchangeCdb,
  MemoryKeeper,
  moveCdb,
  PORT,
  SLOT,
  StubDrive,
  statusCdb,
  withLibrary,
} from "./library.js";

const PLACES = [PORT, PORT + 1, DRIVE, DRIVE + 1, ...Array.from({ length: 6 }, (_, index) => SLOT + index)];
const SEED = 20261128;

/** Which barcode is in which element. */
type Model = Map<number, string>;

describe("a library", () => {
  it("does what a model does, move by move, and so do its drives and its status", async () => {
    const random = seededRandom(SEED);
    const { library, initiator, drives } = await withLibrary();
    let model: Model = new Map(BARCODES.map((barcode, index) => [SLOT + index, barcode]));
    let moved = 0;
    for (let step = 0; step < 2000; step++) {
      const { cdb, after } = randomMove(random, model);
      const sent = initiator.send(cdb);
      await library.idle();
      expect(sent.task.status === 0, `step ${step}`).to.equal(after !== null);
      if (after !== null) moved += 1;
      model = after ?? model;
      const found = new Map(PLACES.flatMap((at) => entryOf(at, library.elementAt(at)?.cartridge?.barcode)));
      expect(found, `step ${step}`).to.deep.equal(new Map([...model].sort(([a], [b]) => a - b)));
      expect(drives.map(({ barcode }) => barcode)).to.deep.equal([DRIVE, DRIVE + 1].map((at) => model.get(at) ?? null));
    }
    expect(moved).to.be.within(500, 1500);
  });

  it("has each cartridge in one place whenever the power goes", async () => {
    const random = seededRandom(SEED);
    let model: Model = new Map(BARCODES.map((barcode, index) => [SLOT + index, barcode]));
    let text: string | null = null;
    let lost = 0;
    for (let step = 0; step < 300; step++) {
      const keeper = new MemoryKeeper(text);
      const { initiator, library } = await withLibrary({ keeper });
      const { cdb, after } = randomMove(random, model);
      keeper.fails = random.chance(0.3);
      initiator.send(cdb);
      await library.idle();
      if (keeper.fails && after !== null) lost += 1;
      model = keeper.fails ? model : (after ?? model);
      text = keeper.kept;
      const kept = new Map(readInventory(text as string).map(({ address, barcode }) => [address, barcode]));
      expect(kept, `step ${step}`).to.deep.equal(new Map([...model].sort(([a], [b]) => a - b)));
    }
    expect(lost).to.be.above(20);
  });

  it("puts what was in a drive into it again, and knows where everything came from", async () => {
    const keeper = new MemoryKeeper();
    const first = await withLibrary({ keeper });
    first.initiator.send(moveCdb(SLOT + 2, DRIVE));
    await first.library.idle();
    await first.library.putIn("NEW001L8");
    const second = await withLibrary({ keeper });
    expect(second.drives[0].seen).to.deep.equal([`insert ${BARCODES[2]}`]);
    expect(second.library.elementAt(DRIVE)?.source).to.equal(SLOT + 2);
    expect(second.library.elementAt(PORT)?.imported).to.equal(true);
    const before = first.initiator.settle().send(statusCdb({ flags: 0x10 }), { room: 4096 }).data;
    expect(second.initiator.send(statusCdb({ flags: 0x10 }), { room: 4096 }).data).to.equal(before);
  });

  it("refuses an inventory that is torn, doubled, or of another library", () => {
    const head = "pvscsi library, version 1\n";
    for (const text of [
      "",
      head,
      `${head}element 4096 cartridge A1\n`,
      `${head}element 4096 cartridge a1\nend\n`,
      `${head}element 4096 cartridge A1\nelement 4096 cartridge A2\nend\n`,
      `${head}element 4096 cartridge A1\nelement 4097 cartridge A1\nend\n`,
      `${head}element 70000 cartridge A1\nend\n`,
      `${head}element 4096 cartridge A1 from 70000\nend\n`,
      `${head}element 4102 cartridge A1\nend\n`,
      `${head}element 1 cartridge A1\nend\n`,
    ]) {
      const keeper = new MemoryKeeper(text);
      const drives = [new StubDrive("1"), new StubDrive("2")];
      const make = () => new Library({ slots: 6, importExports: 2, drives, cartridges: [], keeper });
      expect(make, JSON.stringify(text)).to.throw(StoreError);
    }
  });
});

function entryOf(at: number, barcode: string | undefined): [number, string][] {
  return barcode === undefined ? [] : [[at, barcode]];
}

/** A command, and what is where after it; null where it is to be refused. */
function randomMove(random: Random, model: Model): { cdb: Uint8Array; after: Model | null } {
  // Two of three times from where something is.
  const full = [...model.keys()];
  const place = (): number =>
    random.chance(0.6) ? full[random.below(full.length)] : PLACES[random.below(PLACES.length)];
  const [from, first, second] = [place(), PLACES[random.below(PLACES.length)], PLACES[random.below(PLACES.length)]];
  if (random.chance(0.3)) {
    const target = place();
    const last = random.chance(0.5) ? from : second;
    return { cdb: exchangeCdb(from, target, last), after: exchanged(model, from, target, last) };
  }
  return { cdb: moveCdb(from, first), after: carried(model, from, first) };
}

function carried(model: Model, from: number, to: number): Model | null {
  const barcode = model.get(from);
  if (barcode === undefined || (to !== from && model.has(to))) return null;
  const after = new Map(model);
  after.delete(from);
  return after.set(to, barcode);
}

function exchanged(model: Model, from: number, first: number, second: number): Model | null {
  const [mine, other] = [model.get(from), model.get(first)];
  if (mine === undefined || other === undefined || first === from || second === first) return null;
  if (second !== from && model.has(second)) return null;
  const after = new Map(model);
  after.delete(from);
  return after.set(first, mine).set(second, other);
}
