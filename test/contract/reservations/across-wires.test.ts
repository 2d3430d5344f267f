// One logical unit, reserved by a guest over PVSCSI, one over virtio-scsi, an iSCSI initiator and one without a wire: each has a key of
// its own, and what one reserves keeps the others out, whatever they come by.

import { MemoryStore, readTransportId, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { basicList, OUT, TYPES } from "../../unit/scsi/reserving.js";
import { Units } from "../transcript/units.js";
import { type Answer, ISCSI_PORT, openParties, type Party } from "./parties.js";

const READ = [0x28, 0, 0, 0, 0, 8, 0, 0, 1, 0];
const WRITE = [0x2a, 0, 0, 0, 0, 8, 0, 0, 1, 0];
const READY = [0, 0, 0, 0, 0, 0];
const REGISTRATIONS_PREEMPTED = "2a 05";
const COMMANDS_CLEARED = "2f 00";

describe("a unit that is reserved across wires", () => {
  let store: HeldStore;
  let parties: Party[];

  beforeEach(async () => {
    store = new HeldStore(512 * 512, { holding: false });
    parties = await openParties(new Units((memory) => (memory.size === store.size ? store : new MemoryStore(1 << 20))));
  });
  afterEach(async () => {
    for (const party of parties) await party.close();
  });

  async function done(party: Party, cdb: readonly number[], data: Parameters<Party["ask"]>[1] = {}): Promise<Answer> {
    const answer = await party.ask(cdb, data).answer();
    if (answer === null) throw new Error(`${party.name} has no answer`);
    return answer;
  }

  const outCdb = (action: number, type: number): number[] => [0x5f, action, type, 0, 0, 0, 0, 0, 24, 0];

  async function out(party: Party, action: number, key: number, serviceKey = 0, type = 0): Promise<number> {
    return (await done(party, outCdb(action, type), { out: basicList({ key, serviceKey }) })).status;
  }

  /** Each registers its number from 1. */
  async function register(): Promise<void> {
    for (const [index, party] of parties.entries()) {
      expect(await out(party, OUT.register, 0, index + 1), party.name).to.equal(Status.good);
    }
  }

  it("knows each of them by a TransportID of its own", async () => {
    await register();
    for (const party of parties) {
      const { data } = await done(party, [0x5e, 3, 0, 0, 0, 0, 0, 4, 0, 0], { room: 1024 });
      const found: string[] = [];
      for (let at = 8; at < data.length; ) {
        const read = readTransportId(data, at + 24, data.length);
        if (read === null || "iscsiName" in read.id) throw new Error("no TransportID");
        found.push(`${data[at + 7]} ${read.id.text.replace(/[0-9a-f]{15}$/, "...")}`);
        at += 24 + read.length;
      }
      expect(found, party.name).to.deep.equal(["1 naa.3...", "2 naa.3...", "3 naa.3...", `4 ${ISCSI_PORT}`]);
    }
  });

  for (const type of TYPES) {
    it(`keeps out who is to be kept out, type ${type}`, async () => {
      for (const [index, holder] of parties.entries()) {
        await register();
        expect(await out(holder, OUT.reserve, index + 1, 0, type)).to.equal(Status.good);
        const others = parties.filter((party) => party !== holder);
        for (const [which, other] of others.entries()) {
          // One of them is no longer registered.
          const stranger = which === 0;
          if (stranger) expect(await out(other, OUT.register, parties.indexOf(other) + 1)).to.equal(Status.good);
          const shared = type >= 5 && !stranger;
          const reads = shared || [1, 5, 7].includes(type);
          const conflict = Status.reservationConflict;
          const write = { out: new Uint8Array(512) };
          expect((await done(other, READ, { room: 512 })).status, other.name).to.equal(reads ? 0 : conflict);
          expect((await done(other, WRITE, write)).status, other.name).to.equal(shared ? 0 : conflict);
        }
        expect((await done(holder, WRITE, { out: new Uint8Array(512) })).status).to.equal(Status.good);
        expect(await out(holder, OUT.clear, index + 1)).to.equal(Status.good);
        for (const other of others) await done(other, READY);
      }
    });
  }

  it("is taken by one from another, whose commands end first", async () => {
    for (const [index, victim] of parties.entries()) {
      const taker = parties[(index + 1) % parties.length];
      await register();
      expect(await out(victim, OUT.reserve, index + 1, 0, 3)).to.equal(Status.good);
      store.holding = true;
      const underWay = victim.ask(READ, { room: 512 });
      expect(await underWay.answer(), victim.name).to.equal(null);
      const list = basicList({ key: parties.indexOf(taker) + 1, serviceKey: index + 1 });
      const preempting = taker.ask(outCdb(OUT.preemptAndAbort, 3), { out: list });
      expect(await preempting.answer(), taker.name).to.equal(null);
      expect(store.cancelled).to.have.length(index + 1);
      store.drop();
      expect((await preempting.answer())?.status, taker.name).to.equal(Status.good);
      store.holding = false;
      // With TAS 0 there is no status for it: the wires that have to answer do it below SCSI.
      const silent = victim.name === "iscsi";
      expect((await underWay.answer())?.aborted ?? null, victim.name).to.equal(silent ? null : true);
      expect((await done(victim, READ, { room: 512 })).status, victim.name).to.equal(Status.reservationConflict);
      expect((await done(victim, READY)).code, victim.name).to.equal(REGISTRATIONS_PREEMPTED);
      expect((await done(victim, READY)).code, victim.name).to.equal(COMMANDS_CLEARED);
      expect(await out(taker, OUT.clear, parties.indexOf(taker) + 1)).to.equal(Status.good);
      for (const party of parties) await done(party, READY);
    }
  });
});
