// Parameter lists of PERSISTENT RESERVE OUT that are wrong, by clause of SPC-4 6.16, and at random: each is answered, and none does more
// than it says.

import { decodeSense, SENSE, type Sense, Status } from "@pvscsi/scsi";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { hex, toHex } from "./initiator.js";
import { basicList, fullStatus, keys, moveList, OUT, out, port, reservation, Shared } from "./reserving.js";

const NAME = toHex(Uint8Array.from("iqn.2026-11.example:a", (c) => c.charCodeAt(0)));
const LENGTH = SENSE.parameterListLengthError;
const FIELD = SENSE.invalidFieldInParameterList;

/** A list with SPEC_I_PT whose TransportIDs are these bytes; the length field says `size`. */
function listWith(ids: string, size = hex(ids).length): Uint8Array {
  const list = basicList({ serviceKey: 5, others: [hex(ids)] });
  list.set(hex(size.toString(16).padStart(8, "0")), 24);
  return list;
}

const SAS = toHex(port("two").bytes);

describe("a parameter list of PERSISTENT RESERVE OUT", () => {
  for (const [name, action] of Object.entries(OUT)) {
    it(`of ${name} has 24 bytes at least, and as many as the CDB says`, () => {
      const [one] = new Shared().registered("one");
      for (let length = 0; length < 24; length++) {
        out(one, action, { key: 1, type: 1, list: basicList({ key: 1 }).slice(0, length) }).checked(LENGTH);
        out(one, action, { key: 1, type: 1, length }).checked(LENGTH);
      }
      for (const length of [25, 4096, 8192, 8193, 0xffff_ffff]) {
        out(one, action, { key: 1, type: 1, length }).checked(LENGTH);
      }
      one.send(`5f 0${action} 01 00 00 00 00 00 18 00`).checked(LENGTH);
      one.send(`5f 0${action} 01 00 00 00 00 00 18 00`, { room: 24 }).checked(SENSE.invalidFieldInInformationUnit);
      if (action !== OUT.registerAndMove) {
        out(one, action, { list: Uint8Array.of(...basicList({ key: 1, serviceKey: 1 }), 0, 0, 0, 0) }).checked(LENGTH);
      }
      expect(keys(one)).to.deep.equal({ generation: 1, keys: [1] });
    });
  }

  it("has SPEC_I_PT with REGISTER alone", () => {
    const [one] = new Shared().registered("one");
    for (const action of [1, 2, 3, 4, 5, 6, 8]) {
      const options = { key: 1, serviceKey: 1, type: 1, others: [port("two").bytes] };
      out(one, action, options).checked(FIELD, "8b 00 14");
    }
    expect(fullStatus(one)).to.have.length(1);
  });

  const wrongIds: readonly (readonly [string, Uint8Array, Sense, string?])[] = [
    ["no length of the TransportIDs", listWith("").slice(0, 27), LENGTH],
    ["fewer bytes than the TransportIDs have", listWith(SAS, 28), LENGTH],
    ["a length of 4 GiB", listWith(SAS, 0xffff_ffff), LENGTH],
    ["a TransportID that is cut", listWith(SAS, 20), FIELD, "80 00 1c"],
    ["a second TransportID that is cut", listWith(`${SAS}${SAS}`, 44), FIELD, "80 00 34"],
    ["a protocol that there is not", listWith(`0f${SAS.slice(2)}`), FIELD, "80 00 1c"],
    ["a reserved format", listWith(`86${SAS.slice(2)}`), FIELD, "80 00 1c"],
    ["an iSCSI name beyond the list", listWith(`05 00 ff fc ${NAME} 000000`), FIELD, "80 00 1c"],
    ["an iSCSI name without letters", listWith(`05 00 00 14 ${"00".repeat(20)}`), FIELD, "80 00 1c"],
    ["an iSCSI port without an ISID", listWith(`45 00 00 18 ${NAME} 000000`), FIELD, "80 00 1c"],
    ["a length that is no multiple of four", listWith(`05 00 00 15 ${NAME} 000000`), FIELD, "80 00 1c"],
  ];
  for (const [what, list, sense, pointer] of wrongIds) {
    it(`is refused with ${what}, and registers nobody`, () => {
      const one = new Shared().initiator("one");
      out(one, OUT.register, { list }).checked(sense, pointer);
      expect(keys(one)).to.deep.equal({ generation: 0, keys: [] });
    });
  }

  it("may have no TransportIDs, the same one twice and the sender's own, and bytes behind them", () => {
    const one = new Shared().initiator("one");
    out(one, OUT.register, { list: listWith("") }).good();
    expect(keys(one).keys).to.deep.equal([5]);
    out(one, OUT.registerAndIgnore).good();
    const own = toHex(port("one").bytes);
    out(one, OUT.register, { list: listWith(`${SAS}${own}${SAS}ffff`, 72) }).good();
    expect(keys(one).keys).to.deep.equal([5, 5]);
  });

  it("of REGISTER AND MOVE has one TransportID of a port, and no more", () => {
    const [holder] = new Shared().registered("holder");
    out(holder, OUT.reserve, { key: 1, type: 1 }).good();
    const to = (bytes: string): Uint8Array => moveList({ key: 1, serviceKey: 2, to: hex(bytes) });
    const send = (list: Uint8Array) => out(holder, OUT.registerAndMove, { list });
    send(to(SAS).slice(0, 47)).checked(LENGTH);
    send(to("")).checked(FIELD, "80 00 14");
    send(to(SAS.slice(0, 60))).checked(FIELD, "80 00 14");
    send(to(`${SAS}00000000`)).checked(FIELD, "80 00 18");
    send(to(`0f${SAS.slice(2)}`)).checked(FIELD, "80 00 18");
    send(to(`05 00 00 18 ${NAME} 000000`)).checked(FIELD, "80 00 18");
    expect(reservation(holder)).to.deep.equal({ key: 1, type: 1 });
  });

  it("at random is answered once, with a status that SPC-4 has for it", () => {
    const seed = 20_261_128;
    const random = seededRandom(seed, "parameter lists");
    const shared = new Shared({}, [1, 2]);
    const initiators = ["one", "two", "three"].map((name) => shared.initiator(name));
    const seen = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const sender = initiators[random.below(3)];
      const lists = [
        basicList({ key: random.below(3), serviceKey: random.below(3), allTgPt: random.chance(0.1) }),
        listWith(SAS),
        moveList({ key: random.below(3), serviceKey: random.below(3), to: port("two").bytes }),
      ];
      const list = lists[random.below(lists.length)].slice();
      const flips = random.below(4);
      for (let flip = 0; flip < flips; flip++) list[random.below(list.length)] ^= 1 << random.below(8);
      const length = random.chance(0.1) ? random.below(100) : list.length;
      const sent = out(sender, random.below(9), { type: random.below(16), list, length });
      const what = `seed ${seed}, list ${i}: ${sent.sense}`;
      expect([Status.good, Status.checkCondition, Status.reservationConflict], what).to.include(sent.status);
      const key = sent.status === Status.checkCondition ? decodeSense(sent.task.sense)?.key : 0;
      expect([0, 5, 6], what).to.include(key);
      seen.set(`${sent.status} ${key}`, (seen.get(`${sent.status} ${key}`) ?? 0) + 1);
      if (i % 100 === 0) {
        const observer = initiators[0].settle();
        expect(keys(observer).keys, what).to.have.length(fullStatus(observer).length);
      }
    }
    expect([...seen.keys()].sort()).to.deep.equal(["0 0", "2 5", "2 6", "24 0"]);
  });
});
