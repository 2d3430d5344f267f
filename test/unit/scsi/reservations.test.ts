// The service actions of PERSISTENT RESERVE OUT and IN by clause of SPC-4, and who hears of what.

import { iscsiTransportId, type ManagementFunction, RESERVATION_TYPES, SENSE, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, hex, Initiator, pattern, toHex } from "./initiator.js";
import { fullStatus, IN, keys, move, OUT, out, persistentIn, port, reservation, Shared, TYPES } from "./reserving.js";

const READY = "00 00 00 00 00 00";
const CONFLICT = Status.reservationConflict;
const hexOf = (name: string): string => toHex(port(name).bytes).replaceAll(" ", "");

/** What each of them is told next, "" for nothing. */
function told(...initiators: Initiator[]): string[] {
  return initiators.map((initiator) => {
    const { task } = initiator.send(READY);
    return task.status === Status.good ? "" : toHex(task.sense.subarray(12, 14));
  });
}

const RELEASED = "2a 04";
const PREEMPTED = "2a 03";
const UNREGISTERED = "2a 05";

describe("REGISTER", () => {
  it("adds a key, changes it and takes it away; the wrong key conflicts (table 67)", () => {
    const shared = new Shared();
    const [one, two] = [shared.initiator("one"), shared.initiator("two")];
    expect(out(one, OUT.register, { key: 5, serviceKey: 7 }).status).to.equal(CONFLICT);
    out(one, OUT.register).good();
    expect(keys(two)).to.deep.equal({ generation: 0, keys: [] });
    out(one, OUT.register, { serviceKey: 7 }).good();
    out(two, OUT.register, { serviceKey: 7 }).good();
    expect(keys(two)).to.deep.equal({ generation: 2, keys: [7, 7] });
    expect(out(one, OUT.register, { key: 8, serviceKey: 9 }).status).to.equal(CONFLICT);
    expect(out(one, OUT.register, { serviceKey: 9 }).status).to.equal(CONFLICT);
    out(one, OUT.register, { key: 7, serviceKey: 9 }).good();
    out(one, OUT.register, { key: 9, serviceKey: 9 }).good();
    expect(keys(two)).to.deep.equal({ generation: 4, keys: [9, 7] });
    out(one, OUT.register, { key: 9 }).good();
    expect(keys(two)).to.deep.equal({ generation: 5, keys: [7] });
  });

  it("has taken its whole parameter list when it succeeds, and nothing of it when it conflicts", () => {
    const one = new Shared().initiator("one");
    expect(out(one, OUT.register, { serviceKey: 7 }).good().task.transferLength).to.equal(24);
    expect(out(one, OUT.register, { key: 8, serviceKey: 9 }).task.transferLength).to.equal(0);
  });

  it("AND IGNORE EXISTING KEY asks for none (table 68)", () => {
    const one = new Shared().initiator("one");
    out(one, OUT.registerAndIgnore, { key: 99 }).good();
    out(one, OUT.registerAndIgnore, { key: 99, serviceKey: 1 }).good();
    out(one, OUT.registerAndIgnore, { key: 98, serviceKey: 2 }).good();
    expect(keys(one)).to.deep.equal({ generation: 2, keys: [2] });
    out(one, OUT.registerAndIgnore, { key: 97 }).good();
    expect(keys(one)).to.deep.equal({ generation: 3, keys: [] });
  });

  it("leaves a reservation as it is when the holder's key changes", () => {
    const shared = new Shared();
    const [holder, other] = shared.registered("holder", "other");
    out(holder, OUT.reserve, { key: 1, type: 3 }).good();
    out(holder, OUT.register, { key: 1, serviceKey: 8 }).good();
    expect(reservation(other)).to.deep.equal({ key: 8, type: 3 });
    expect(told(holder, other)).to.deep.equal(["", ""]);
  });

  for (const type of TYPES) {
    const { name, registrants, allHold } = RESERVATION_TYPES[type];
    it(`of zero by the holder ends ${name}, or not (5.13.11.2.3)`, () => {
      const shared = new Shared();
      const [holder, other] = shared.registered("holder", "other");
      const stranger = shared.initiator("stranger");
      out(holder, OUT.reserve, { key: 1, type }).good();
      out(other, OUT.register, { key: 2 }).good();
      expect(reservation(stranger)).to.deep.equal({ key: allHold ? 0 : 1, type });
      out(other, OUT.register, { serviceKey: 2 }).good();
      out(holder, OUT.register, { key: 1 }).good();
      expect(reservation(stranger)).to.deep.equal(allHold ? { key: 0, type } : null);
      expect(told(holder, other, stranger)).to.deep.equal(["", registrants && !allHold ? RELEASED : "", ""]);
      out(other, OUT.register, { key: 2 }).good();
      expect(reservation(stranger)).to.equal(null);
      expect(told(holder, other, stranger)).to.deep.equal(["", "", ""]);
    });
  }

  it("with ALL_TG_PT is for every port of the target", () => {
    const shared = new Shared({}, [1, 7]);
    const [near, far] = [shared.initiator("one"), shared.initiator("one", { targetPort: 7 })];
    const stranger = shared.initiator("stranger", { targetPort: 7 });
    out(near, OUT.register, { serviceKey: 1, allTgPt: true }).good();
    expect(fullStatus(stranger)).to.deep.equal([1, 7].map((p) => `1 port ${p} registered ${hexOf("one")}`));
    // Another key of the same initiator at another port: as if it had been asked there.
    out(far, OUT.register, { key: 1, serviceKey: 2 }).good();
    expect(out(near, OUT.register, { key: 1, serviceKey: 3, allTgPt: true }).status).to.equal(CONFLICT);
    expect(keys(stranger).keys).to.deep.equal([1, 2]);
    out(near, OUT.registerAndIgnore, { serviceKey: 3, allTgPt: true }).good();
    expect(keys(stranger).keys).to.deep.equal([3, 3]);
    out(far, OUT.register, { key: 3 }).good();
    out(near, OUT.register, { key: 3, allTgPt: true }).good();
    expect(keys(stranger).keys).to.deep.equal([]);
  });

  it("with SPEC_I_PT is for other initiators too, all or none", () => {
    const shared = new Shared({}, [1, 2]);
    const one = shared.initiator("one");
    const [two, three] = [port("two").bytes, port("three").bytes];
    out(one, OUT.register, { serviceKey: 5, others: [two, three] }).good();
    const line = (name: string, p = 1): string => `5 port ${p} registered ${hexOf(name)}`;
    expect(fullStatus(one)).to.deep.equal([line("one"), line("two"), line("three")]);
    expect(keys(one).generation).to.equal(1);
    expect(shared.initiator("two").send("28 00 00 00 00 00 00 00 00 00").status).to.equal(Status.good);
    out(one, OUT.register, { key: 5, serviceKey: 6, others: [two] }).checked(
      SENSE.invalidFieldInParameterList,
      "8b 00 14",
    );
    const four = shared.initiator("four");
    out(four, OUT.register, { serviceKey: 6, others: [port("five").bytes, two] }).checked(
      SENSE.invalidFieldInParameterList,
      "80 00 18",
    );
    expect(fullStatus(one)).to.have.length(3);
    out(four, OUT.register, { serviceKey: 5, others: [port("five").bytes], allTgPt: true }).good();
    expect(fullStatus(one).slice(3)).to.deep.equal([line("four"), line("four", 2), line("five"), line("five", 2)]);
  });

  it("with SPEC_I_PT of an iSCSI initiator is for all of its ports that are known", () => {
    const shared = new Shared();
    const isid = (last: number) => iscsiTransportId("iqn.2026-11.example:a", `00023d00000${last}`);
    const ports = [1, 2].map((last) => isid(last));
    for (const initiatorPort of ports) shared.initiator("", { initiatorPort });
    const device = hex("05 00 00 18 69716e2e323032362d31312e6578616d706c653a61 000000");
    const one = shared.initiator("one");
    out(one, OUT.register, { serviceKey: 5, others: [device] }).good();
    const found = fullStatus(one).map((line) => line.split(" ").at(-1));
    expect(found).to.deep.equal([port("one"), ...ports].map(({ bytes }) => toHex(bytes).replaceAll(" ", "")));
  });

  it("refuses more nexuses than a unit remembers", () => {
    const one = new Shared().initiator("one");
    const many = (from: number, count: number) => Array.from({ length: count }, (_, i) => port(`${from + i}`).bytes);
    out(one, OUT.register, { serviceKey: 1, others: many(0, 300) }).good();
    for (let from = 300; from < 900; from += 300) {
      out(one, OUT.register, { key: 1 }).good();
      out(one, OUT.register, { serviceKey: 1, others: many(from, 300) }).good();
    }
    out(one, OUT.register, { key: 1 }).good();
    out(one, OUT.register, { serviceKey: 1, others: many(900, 124) }).checked(SENSE.insufficientRegistrationResources);
    out(one, OUT.register, { serviceKey: 1, others: many(900, 123) }).good();
    expect(persistentIn(one, IN.keys, 8).data).to.match(/00 00 20 00$/);
    const rest = new Shared();
    expect(keys(rest.initiator("other")).keys).to.deep.equal([]);
  });
});

describe("RESERVE and RELEASE", () => {
  it("refuse scopes and types that there are not", () => {
    const [one] = new Shared().registered("one");
    out(one, OUT.reserve, { key: 1, type: 3, scope: 1 }).checked(SENSE.invalidFieldInCdb, "cf 00 02");
    for (const type of [0, 2, 4, 9, 15]) {
      out(one, OUT.reserve, { key: 1, type }).checked(SENSE.invalidFieldInCdb, "cb 00 02");
    }
    expect(out(one, OUT.reserve, { key: 2, type: 0 }).status).to.equal(CONFLICT);
  });

  it("the holder may ask again for the same, not for another type (5.13.9)", () => {
    const [one] = new Shared().registered("one");
    out(one, OUT.reserve, { key: 1, type: 1 }).good();
    out(one, OUT.reserve, { key: 1, type: 1 }).good();
    expect(out(one, OUT.reserve, { key: 1, type: 3 }).status).to.equal(CONFLICT);
    expect(keys(one).generation).to.equal(1);
  });

  for (const type of TYPES) {
    const { name, registrants } = RESERVATION_TYPES[type];
    it(`release of ${name} is told to the registered others, or to nobody (5.13.11.2.2)`, () => {
      const shared = new Shared();
      const [holder, other] = shared.registered("holder", "other");
      const stranger = shared.initiator("stranger");
      out(holder, OUT.reserve, { key: 1, type }).good();
      out(holder, OUT.release, { key: 1, type: type === 1 ? 3 : 1 }).checked(
        SENSE.invalidReleaseOfPersistentReservation,
      );
      out(holder, OUT.release, { key: 1, type, scope: 1 }).checked(SENSE.invalidReleaseOfPersistentReservation);
      expect(out(holder, OUT.release, { key: 2, type }).status).to.equal(CONFLICT);
      expect(reservation(stranger)?.type).to.equal(type);
      out(holder, OUT.release, { key: 1, type }).good();
      expect(reservation(stranger)).to.equal(null);
      expect(told(holder, other, stranger)).to.deep.equal(["", registrants ? RELEASED : "", ""]);
      expect(keys(stranger)).to.deep.equal({ generation: 2, keys: [1, 2] });
    });
  }

  it("release by one that does not hold it, or of nothing, changes nothing", () => {
    const [holder, other] = new Shared().registered("holder", "other");
    out(other, OUT.release, { key: 2, type: 9 }).good();
    out(holder, OUT.reserve, { key: 1, type: 5 }).good();
    out(other, OUT.release, { key: 2, type: 5 }).good();
    expect(reservation(other)).to.deep.equal({ key: 1, type: 5 });
  });
});

describe("CLEAR", () => {
  it("ends all, and tells the others that were registered (5.13.11.2.7)", () => {
    const shared = new Shared();
    const [one, two, three] = shared.registered("one", "two", "three");
    const stranger = shared.initiator("stranger");
    out(one, OUT.reserve, { key: 1, type: 3 }).good();
    expect(out(two, OUT.clear, { key: 1 }).status).to.equal(CONFLICT);
    out(two, OUT.clear, { key: 2 }).good();
    expect(keys(stranger)).to.deep.equal({ generation: 4, keys: [] });
    expect(reservation(stranger)).to.equal(null);
    expect(told(one, two, three, stranger)).to.deep.equal([PREEMPTED, "", PREEMPTED, ""]);
  });
});

describe("PREEMPT", () => {
  it("takes the reservation from its holder; all with its key are gone and told (5.13.11.2.4.3)", () => {
    const shared = new Shared();
    const [holder, taker, third] = shared.registered("holder", "taker", "third");
    const twin = shared.initiator("twin");
    out(twin, OUT.register, { serviceKey: 1 }).good();
    out(holder, OUT.reserve, { key: 1, type: 5 }).good();
    out(taker, OUT.preempt, { key: 2, serviceKey: 1, type: 3, scope: 1 }).checked(SENSE.invalidFieldInCdb, "cf 00 02");
    out(taker, OUT.preempt, { key: 2, serviceKey: 1, type: 4 }).checked(SENSE.invalidFieldInCdb, "cb 00 02");
    out(taker, OUT.preempt, { key: 2, serviceKey: 1, type: 3 }).good();
    expect(reservation(taker)).to.deep.equal({ key: 2, type: 3 });
    expect(keys(taker)).to.deep.equal({ generation: 5, keys: [2, 3] });
    // The type changed, so those who were left hear that the old one is released.
    expect(told(holder, twin, taker, third)).to.deep.equal([UNREGISTERED, UNREGISTERED, "", RELEASED]);
  });

  it("with the same type tells only those that are gone", () => {
    const [holder, taker, third] = new Shared().registered("holder", "taker", "third");
    out(holder, OUT.reserve, { key: 1, type: 6 }).good();
    out(taker, OUT.preempt, { key: 2, serviceKey: 1, type: 6 }).good();
    expect(told(holder, taker, third)).to.deep.equal([UNREGISTERED, "", ""]);
  });

  it("of a key that does not hold it removes registrations, whatever scope and type say (5.13.11.2.5)", () => {
    const [holder, taker, third] = new Shared().registered("holder", "taker", "third");
    out(holder, OUT.reserve, { key: 1, type: 1 }).good();
    out(taker, OUT.preempt, { key: 2, serviceKey: 3, type: 15, scope: 15 }).good();
    expect(keys(holder)).to.deep.equal({ generation: 4, keys: [1, 2] });
    expect(reservation(taker)).to.deep.equal({ key: 1, type: 1 });
    expect(told(holder, taker, third)).to.deep.equal(["", "", UNREGISTERED]);
    expect(out(taker, OUT.preempt, { key: 2, serviceKey: 3 }).status).to.equal(CONFLICT);
    out(taker, OUT.preempt, { key: 2 }).checked(SENSE.invalidFieldInParameterList, "80 00 08");
  });

  it("of one's own key removes one's registration, or keeps it with the new reservation", () => {
    const [one, two] = new Shared().registered("one", "two");
    expect(out(one, OUT.preempt, { key: 1 }).status).to.equal(CONFLICT);
    out(one, OUT.preempt, { key: 1, serviceKey: 1 }).good();
    expect(keys(two).keys).to.deep.equal([2]);
    out(two, OUT.reserve, { key: 2, type: 3 }).good();
    out(two, OUT.preempt, { key: 2, serviceKey: 2, type: 8 }).good();
    expect(reservation(one)).to.deep.equal({ key: 0, type: 8 });
    expect(keys(one).keys).to.deep.equal([2]);
    expect(told(one, two)).to.deep.equal(["", ""]);
  });

  it("of zero takes a reservation that all hold, and removes all others", () => {
    for (const type of [7, 8]) {
      const [one, two, three] = new Shared().registered("one", "two", "three");
      out(one, OUT.reserve, { key: 1, type }).good();
      out(two, OUT.preempt, { key: 2, serviceKey: 3, type: 1 }).good();
      expect(reservation(two)).to.deep.equal({ key: 0, type });
      expect(told(one, two, three)).to.deep.equal(["", "", UNREGISTERED]);
      out(two, OUT.preempt, { key: 2, type: 1 }).good();
      expect(reservation(two)).to.deep.equal({ key: 2, type: 1 });
      expect(keys(two).keys).to.deep.equal([2]);
      expect(told(one, two)).to.deep.equal([UNREGISTERED, ""]);
    }
  });

  it("of the last key of a reservation that all hold ends it", () => {
    const shared = new Shared();
    const [one] = shared.registered("one");
    out(one, OUT.reserve, { key: 1, type: 7 }).good();
    out(one, OUT.preempt, { key: 1, serviceKey: 1, type: 7 }).good();
    expect([reservation(one), keys(one).keys]).to.deep.equal([null, []]);
  });
});

describe("PREEMPT AND ABORT", () => {
  const READ = "28 00 00 00 00 00 00 00 01 00";

  function held() {
    const store = new HeldStore(BLOCKS * 512);
    const shared = new Shared({ store, removable: true });
    const [victim, taker, third] = shared.registered("victim", "taker", "third");
    return { store, shared, victim, taker, third };
  }

  it("ends the commands of those it preempts before it is answered, and no others", () => {
    const { store, victim, taker, third } = held();
    out(victim, OUT.reserve, { key: 1, type: 5 }).good();
    const [theirs, mine, others] = [victim, taker, third].map((initiator) => initiator.send(READ, { room: 512 }));
    const preempting = out(taker, OUT.preemptAndAbort, { key: 2, serviceKey: 1, type: 5 });
    expect([preempting.ends, theirs.ends, store.cancelled.length]).to.deep.equal([0, 0, 1]);
    // New commands are under the new reservation already.
    expect(victim.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) }).status).to.equal(CONFLICT);
    store.drop();
    preempting.good();
    expect([theirs.ends, theirs.task.aborted, mine.ends, others.ends]).to.deep.equal([1, true, 0, 0]);
    store.release();
    store.release();
    mine.good();
    others.good();
    expect(told(victim, taker, third)).to.deep.equal([UNREGISTERED, "", ""]);
  });

  it("ends one's own other commands when one's own key is preempted", () => {
    const { store, taker } = held();
    const mine = taker.send(READ, { room: 512 });
    const preempting = out(taker, OUT.preemptAndAbort, { key: 2, serviceKey: 2 });
    store.drop();
    preempting.good();
    expect(mine.task.aborted).to.equal(true);
  });

  it("ends service actions that wait behind it, and the rest go on", () => {
    const { store, shared, victim, taker, third } = held();
    const theirs = victim.send(READ, { room: 512 });
    const preempting = out(taker, OUT.preemptAndAbort, { key: 2, serviceKey: 1 });
    const waiting = out(third, OUT.reserve, { key: 3, type: 1 });
    const late = out(victim.settle(), OUT.register, { serviceKey: 9 });
    const outcomes: string[] = [];
    const manage = (initiator: Initiator, name: ManagementFunction, tag: number): void =>
      initiator.nexus.manage({ function: name, lun: 0, tag, completed: (response) => outcomes.push(response) });
    manage(victim, "abort-task", late.task.tag);
    expect([late.ends, late.task.aborted, waiting.ends, ...outcomes]).to.deep.equal([1, true, 0, "function-complete"]);
    store.drop();
    preempting.good();
    waiting.good();
    expect([theirs.task.aborted, reservation(shared.initiator("any"))]).to.deep.equal([true, { key: 3, type: 1 }]);
  });

  it("allows what they prevented of the medium", () => {
    const { victim, taker } = held();
    victim.send("1e 00 00 00 01 00").good();
    out(victim, OUT.reserve, { key: 1, type: 3 }).good();
    out(taker, OUT.preempt, { key: 2, serviceKey: 1, type: 3 }).good();
    taker.send("1b 00 00 00 06 00").checked(SENSE.mediumRemovalPrevented);
    victim.settle();
    out(victim, OUT.register, { serviceKey: 1 }).good();
    out(taker, OUT.preemptAndAbort, { key: 2, serviceKey: 1, type: 3 }).good();
    taker.send("1b 00 00 00 06 00").good();
  });

  it("reaches those who came by another target", () => {
    const { store, shared, taker } = held();
    const twin = new Target("1:0", [5]);
    twin.add(7, shared.disk);
    const far = new Initiator(twin).settle(7);
    out(far, OUT.register, { serviceKey: 8 }, 7).good();
    const theirs = far.send(READ, { lun: 7, room: 512 });
    const preempting = out(taker, OUT.preemptAndAbort, { key: 2, serviceKey: 8 });
    expect([theirs.ends, preempting.ends]).to.deep.equal([0, 0]);
    store.drop();
    preempting.good();
    expect(theirs.task.aborted).to.equal(true);
    far.send(READY, { lun: 7 }).checked(SENSE.registrationsPreempted);
  });
});

describe("REGISTER AND MOVE", () => {
  it("registers another nexus and gives it the reservation (5.13.8)", () => {
    const shared = new Shared({}, [1, 2]);
    const [holder, other] = shared.registered("holder", "other");
    const target = shared.initiator("target", { targetPort: 2 });
    const to = port("target").bytes;
    expect(move(target, { serviceKey: 9, to }).status).to.equal(CONFLICT);
    move(holder, { key: 1, serviceKey: 9, to }).checked(SENSE.invalidFieldInCdb);
    out(holder, OUT.reserve, { key: 1, type: 3 }).good();
    expect(move(other, { key: 2, serviceKey: 9, to }).status).to.equal(CONFLICT);
    expect(move(holder, { key: 2, serviceKey: 9, to }).status).to.equal(CONFLICT);
    move(holder, { key: 1, to }).checked(SENSE.invalidFieldInParameterList, "80 00 08");
    move(holder, { key: 1, serviceKey: 9, to: port("holder").bytes, port: 2 }).checked(
      SENSE.invalidFieldInParameterList,
      "80 00 18",
    );
    move(holder, { key: 1, serviceKey: 9, to, port: 3 }).checked(SENSE.invalidFieldInParameterList, "80 00 12");
    move(holder, { key: 1, serviceKey: 9, to, port: 2 }).good();
    expect(reservation(other)).to.deep.equal({ key: 9, type: 3 });
    expect(keys(other)).to.deep.equal({ generation: 3, keys: [1, 2, 9] });
    target.send("28 00 00 00 00 00 00 00 00 00").good();
    expect(holder.send("28 00 00 00 00 00 00 00 00 00").status).to.equal(CONFLICT);
    expect(told(holder, other, target)).to.deep.equal(["", "", ""]);
  });

  it("with UNREG leaves, and may give a nexus that is registered another key", () => {
    const [holder, other] = new Shared().registered("holder", "other");
    out(holder, OUT.reserve, { key: 1, type: 6 }).good();
    move(holder, { key: 1, serviceKey: 7, unreg: true, to: port("other").bytes }).good();
    expect(keys(other)).to.deep.equal({ generation: 3, keys: [7] });
    expect(reservation(other)).to.deep.equal({ key: 7, type: 6 });
  });

  it("conflicts where all hold it", () => {
    const [holder] = new Shared().registered("holder");
    out(holder, OUT.reserve, { key: 1, type: 8 }).good();
    expect(move(holder, { key: 1, serviceKey: 7, to: port("other").bytes }).status).to.equal(CONFLICT);
  });
});

describe("PERSISTENT RESERVE IN", () => {
  it("tells its capabilities", () => {
    const one = new Shared().initiator("one");
    expect(persistentIn(one, IN.capabilities).data).to.equal("00 08 9c c0 ea 01 00 00");
  });

  it("tells in full who is registered and who holds it", () => {
    const [one, two] = new Shared().registered("one", "two");
    const id = (name: string): string => toHex(port(name).bytes);
    out(two, OUT.reserve, { key: 2, type: 6 }).good();
    const nexus = (key: number, holder: string, name: string): string =>
      `00 00 00 00 00 00 00 0${key} 00 00 00 00 ${holder} 00 00 00 00 00 01 00 00 00 18 ${id(name)}`;
    expect(persistentIn(one, IN.fullStatus).data).to.equal(
      `00 00 00 02 00 00 00 60 ${nexus(1, "00 00", "one")} ${nexus(2, "01 06", "two")}`,
    );
    expect(persistentIn(one, IN.reservation).data).to.equal(
      "00 00 00 02 00 00 00 10 00 00 00 00 00 00 00 02 00 00 00 00 00 06 00 00",
    );
  });

  it("is cut to the allocation length, whose lengths stay whole", () => {
    const [one] = new Shared().registered("one", "two", "three");
    expect(persistentIn(one, IN.keys, 16).data).to.equal("00 00 00 03 00 00 00 18 00 00 00 00 00 00 00 01");
    expect(persistentIn(one, IN.keys, 5).data).to.equal("00 00 00 03 00");
    persistentIn(one, IN.fullStatus, 0).good();
    one.send("5e 04 00 00 00 00 00 00 08 00", { room: 8 }).checked(SENSE.invalidFieldInCdb, "cc 00 01");
  });
});

describe("persistent reservations", () => {
  it("outlive resets and the loss of a nexus, which has its own again when it comes back (5.13.1)", async () => {
    const shared = new Shared();
    const [holder, other] = shared.registered("holder", "other");
    out(holder, OUT.reserve, { key: 1, type: 3 }).good();
    for (const name of ["logical-unit-reset", "target-reset", "i-t-nexus-reset"] as const) {
      holder.nexus.manage({ function: name, lun: 0, completed: () => {} });
    }
    await holder.nexus.close();
    other.settle();
    expect(reservation(other)).to.deep.equal({ key: 1, type: 3 });
    expect(other.send("28 00 00 00 00 00 00 00 00 00").status).to.equal(CONFLICT);
    const again = shared.initiator("holder");
    again.send("28 00 00 00 00 00 00 00 00 00").good();
    out(again, OUT.release, { key: 1, type: 3 }).good();
    // One that is not there is told nothing; it hears of power on when it comes.
    await again.nexus.close();
    out(other, OUT.clear, { key: 2 }).good();
    expect(told(shared.initiator("holder"))).to.deep.equal([""]);
  });

  it("tell the nexus it is about at every LUN it has the unit at", () => {
    const shared = new Shared();
    const [one, two] = shared.registered("one", "two");
    shared.target.add(5, shared.disk);
    for (const initiator of [one, two]) for (const lun of [0, 5]) initiator.settle(lun);
    out(one, OUT.clear, { key: 1 }).good();
    for (const lun of [0, 5]) two.send(READY, { lun }).checked(SENSE.reservationsPreempted);
  });
});
