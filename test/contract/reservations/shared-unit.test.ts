// One logical unit that is reached by every wire at once: its task set and what its initiators hear of it are the unit's, whatever
// they come by.

import { MemoryStore, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { Units } from "../transcript/units.js";
import { type Answer, type Asked, openParties, type Party } from "./parties.js";

const READ = [0x28, 0, 0, 0, 0, 8, 0, 0, 1, 0];
const READY = [0, 0, 0, 0, 0, 0];
const BLOCKS = 512;

describe("a unit that is shared across wires", () => {
  let store: HeldStore;
  let parties: Party[];

  beforeEach(async () => {
    store = new HeldStore(BLOCKS * 512, { holding: false });
    parties = await openParties(new Units((memory) => (memory.size === store.size ? store : new MemoryStore(1 << 20))));
  });
  afterEach(async () => {
    store.holding = false;
    while (store.held.length > 0) store.release();
    for (const party of parties) await party.close();
  });

  async function done(asked: Asked): Promise<Answer> {
    return (await asked.answer()) as Answer;
  }

  it("tells each of them that its capacity is another, once", async () => {
    store.memory.resize((BLOCKS + 8) * 512);
    store.resized?.();
    for (const party of parties) {
      expect((await done(party.ask(READY))).code, party.name).to.equal("2a 09");
      expect((await done(party.ask(READY))).status, party.name).to.equal(Status.good);
      const { data } = await done(party.ask([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], { room: 8 }));
      expect([...data], party.name).to.deep.equal([0, 0, 0x02, 0x07, 0, 0, 2, 0]);
    }
  });

  it("tells all but the one who selects them of other mode parameters", async () => {
    for (const [index, one] of parties.entries()) {
      const swp = index % 2 === 0 ? 8 : 0;
      const out = Uint8Array.of(0, 0, 0, 0, 0x0a, 0x0a, 0, 0x10, swp, 0, 0, 0, 0, 0, 0, 0);
      expect((await done(one.ask([0x15, 0x10, 0, 0, out.length, 0], { out }))).status, one.name).to.equal(Status.good);
      for (const party of parties) {
        expect((await done(party.ask(READY))).code, party.name).to.equal(party === one ? "" : "2a 01");
      }
    }
  });

  it("has one order of tasks: what is ORDERED by one wire waits for all others, and holds them", async () => {
    for (const one of parties.filter(({ carriesAttribute }) => carriesAttribute)) {
      store.holding = true;
      const older = parties.map((party) => party.ask(READ, { room: 512 }));
      for (const asked of older) await asked.answer();
      const ordered = one.ask(READ, { room: 512, attribute: "ordered" });
      await ordered.answer();
      const newer = parties.filter((party) => party !== one).map((party) => party.ask(READ, { room: 512 }));
      for (const asked of newer) expect(await asked.answer()).to.equal(null);
      expect(store.held.length, one.name).to.equal(older.length);
      for (const _ of older) store.release();
      for (const asked of older) expect((await done(asked)).status).to.equal(Status.good);
      expect(store.held.length, one.name).to.equal(1);
      store.release();
      expect((await done(ordered)).status, one.name).to.equal(Status.good);
      expect(store.held.length, one.name).to.equal(newer.length);
      for (const _ of newer) store.release();
      for (const asked of newer) expect((await done(asked)).status).to.equal(Status.good);
    }
  });
});
