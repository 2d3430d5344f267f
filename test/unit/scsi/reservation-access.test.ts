// Every command of a disk under every kind of reservation, from the holder and from others: SPC-4 tables 65 and 66, SBC-3 table 13,
// SPC-2 5.5.1. The table here is written from the standards, not from the code; docs/RESERVATIONS.md prints it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, type CommandDescription, Nexus, RESERVATION_TYPES, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { Initiator } from "./initiator.js";
import { move, OUT, type OutOptions, out, port, Shared, TYPES } from "./reserving.js";

interface Row {
  readonly name: string;
  readonly cdbs: readonly (readonly number[])[];
  /** From somebody else under RESERVE, Write Exclusive, Exclusive Access: + runs, - conflicts. */
  readonly fares: string;
}

/** A CDB that is zero but for these bytes. */
function cdbOf({ opcode, serviceAction, length }: CommandDescription, bytes: Record<number, number> = {}): number[] {
  const cdb = new Array<number>(length).fill(0);
  cdb[0] = opcode;
  cdb[1] = serviceAction ?? 0;
  for (const [at, value] of Object.entries(bytes)) cdb[Number(at)] = value;
  return cdb;
}

const row = (fares: string, name: string, ...commands: CommandDescription[]): Row => ({
  name,
  cdbs: commands.map((command) => cdbOf(command)),
  fares,
});
const C = COMMANDS;

const TABLE: readonly Row[] = [
  row("+ + +", "INQUIRY, REQUEST SENSE, REPORT LUNS", C.inquiry, C.requestSense, C.reportLuns),
  row("- + +", "TEST UNIT READY", C.testUnitReady),
  row("+ + +", "READ CAPACITY (10, 16)", C.readCapacity10, C.readCapacity16),
  row("- + -", "MODE SENSE (6, 10)", C.modeSense6, C.modeSense10),
  row("- - -", "MODE SELECT (6, 10)", C.modeSelect6, C.modeSelect10),
  row("- + +", "LOG SENSE", C.logSense),
  row("- + -", "READ BUFFER, RECEIVE DIAGNOSTIC RESULTS", C.readBuffer, C.receiveDiagnosticResults),
  row("- - -", "LOG SELECT, WRITE BUFFER, SEND DIAGNOSTIC", C.logSelect, C.writeBuffer, C.sendDiagnostic),
  row(
    "- + -",
    "REPORT SUPPORTED OPERATION CODES, TASK MANAGEMENT FUNCTIONS",
    C.reportSupportedOpcodes,
    C.reportSupportedTmfs,
  ),
  row("- + -", "READ (6, 10, 12, 16)", C.read6, C.read10, C.read12, C.read16),
  row("- + -", "VERIFY (10, 12, 16)", C.verify10, C.verify12, C.verify16),
  row(
    "- + -",
    "PRE-FETCH (10, 16), GET LBA STATUS, READ DEFECT DATA (10, 12)",
    C.preFetch10,
    C.preFetch16,
    C.getLbaStatus,
    C.readDefectData10,
    C.readDefectData12,
  ),
  row("- - -", "WRITE (6, 10, 12, 16)", C.write6, C.write10, C.write12, C.write16),
  row("- - -", "WRITE AND VERIFY (10, 12, 16)", C.writeAndVerify10, C.writeAndVerify12, C.writeAndVerify16),
  row(
    "- - -",
    "COMPARE AND WRITE, ORWRITE (16), WRITE ATOMIC (16), WRITE SAME (10, 16), UNMAP",
    C.compareAndWrite,
    C.orWrite16,
    C.writeAtomic16,
    C.writeSame10,
    C.writeSame16,
    C.unmap,
  ),
  row("- - -", "EXTENDED COPY", C.extendedCopy),
  row("- + +", "RECEIVE COPY RESULTS", C.receiveCopyStatus, C.receiveCopyParameters, C.receiveCopyFailure),
  row(
    "- - -",
    "FORMAT UNIT, SANITIZE",
    C.formatUnit,
    C.sanitizeOverwrite,
    C.sanitizeBlockErase,
    C.sanitizeExitFailureMode,
  ),
  row("- - -", "SYNCHRONIZE CACHE (10, 16)", C.synchronizeCache10, C.synchronizeCache16),
  {
    name: "START STOP UNIT that starts, without a power condition",
    cdbs: [0x01, 0x03].map((control) => cdbOf(C.startStopUnit, { 4: control })),
    fares: "+ + +",
  },
  {
    name: "START STOP UNIT that stops or has a power condition",
    cdbs: [0x00, 0x02, 0x11].map((control) => cdbOf(C.startStopUnit, { 4: control })),
    fares: "- - -",
  },
  { name: "PREVENT ALLOW MEDIUM REMOVAL that allows", cdbs: [cdbOf(C.preventAllow)], fares: "+ + +" },
  { name: "PREVENT ALLOW MEDIUM REMOVAL that prevents", cdbs: [cdbOf(C.preventAllow, { 4: 1 })], fares: "- - -" },
  row("+ + +", "REPORT TARGET PORT GROUPS", C.reportTargetPortGroups),
  row("- - -", "SET TARGET PORT GROUPS", C.setTargetPortGroups),
  row("- + +", "PERSISTENT RESERVE IN", C.readKeys, C.readReservation, C.reportCapabilities, C.readFullStatus),
];

/** With all the commands that there are. */
const PORTED = { removable: true, portGroups: [{ id: 1, name: "all", ports: [1] }] } as const;

/** A disk whose holder has key 1; another with key 2, where it is registered. */
function reserved(type: number, otherIsRegistered: boolean) {
  const shared = new Shared(PORTED);
  const [holder] = shared.registered("holder");
  const other = shared.initiator("other");
  if (otherIsRegistered) out(other, OUT.register, { serviceKey: 2 }).good();
  out(holder, OUT.reserve, { key: 1, type }).good();
  return { shared, holder, other };
}

/** Whether a command conflicts; its data, if it has any, is missing, which is found later than that. */
function conflicts(initiator: Initiator, cdb: readonly number[]): boolean {
  const { status } = initiator.send(Uint8Array.from(cdb));
  return status === Status.reservationConflict;
}

/** The columns of the table: how others fare under RESERVE and under each type. */
const [RESERVE, WRITES, EVERYTHING] = [0, 2, 4];

describe("access to a reserved disk", () => {
  for (const { name, cdbs, fares } of TABLE) {
    describe(name, () => {
      for (const type of TYPES) {
        const { excludes, registrants, name: typeName } = RESERVATION_TYPES[type];
        const runs = fares[excludes === "writes" ? WRITES : EVERYTHING] === "+";

        it(`under ${typeName}`, () => {
          for (const cdb of cdbs) {
            const alone = reserved(type, false);
            expect(conflicts(alone.holder, cdb), "from the holder").to.equal(false);
            expect(conflicts(alone.other, cdb), "from somebody else").to.equal(!runs);
            const { other } = reserved(type, true);
            expect(conflicts(other, cdb), "from one that is registered").to.equal(!(registrants || runs));
          }
        });
      }

      it("under RESERVE of SPC-2", () => {
        for (const opcode of [C.reserve6, C.reserve10]) {
          for (const cdb of cdbs) {
            const shared = new Shared(PORTED);
            const [holder, other] = [shared.initiator("holder"), shared.initiator("other")];
            holder.send(Uint8Array.from(cdbOf(opcode))).good();
            expect(conflicts(other, cdb), "from somebody else").to.equal(fares[RESERVE] === "-");
            // PERSISTENT RESERVE IN conflicts whoever has reserved (SPC-2 5.5.1).
            expect(conflicts(holder, cdb), "from the holder").to.equal(cdb[0] === 0x5e);
          }
        }
      });
    });
  }

  it("is said of every command that a disk has", () => {
    const { initiator } = { initiator: new Shared(PORTED).initiator("any") };
    const { bytes } = initiator.send("a3 0c 00 00 00 00 00 00 20 00 00 00", { room: 8192 });
    const here = new Set(TABLE.flatMap(({ cdbs }) => cdbs.map(([opcode, action]) => `${opcode} ${action & 0x1f}`)));
    const missing: string[] = [];
    for (let at = 4; at < bytes.length; at += 8) {
      const action = bytes[at + 5] & 1 ? bytes[at + 3] : 0;
      const isOwn = bytes[at] === 0x5f || [0x16, 0x17, 0x56, 0x57].includes(bytes[at]);
      if (!isOwn && !here.has(`${bytes[at]} ${action}`)) missing.push(`${bytes[at].toString(16)}/${action}`);
    }
    expect(missing).to.deep.equal([]);
  });

  it("is what docs/RESERVATIONS.md prints", () => {
    const words = { "+": "runs", "-": "conflict" } as const;
    const lines = TABLE.map(({ name, fares }) => {
      const [reserve, writes, everything] = fares.split(" ").map((mark) => words[mark as "+" | "-"]);
      return `| ${name} | ${reserve} | ${writes} | ${everything} |`;
    });
    const page = readFileSync(join(repositoryRoot, "docs", "RESERVATIONS.md"), "utf8");
    expect(page).to.include(
      ["| command | RESERVE | Write Exclusive | Exclusive Access |", "|---|---|---|---|", ...lines].join("\n"),
    );
  });

  it("has a conflict before a unit attention, which is kept", () => {
    const { holder, other, shared } = reserved(3, false);
    shared.disk.reset();
    expect(other.send("28 00 00 00 00 00 00 00 01 00", { room: 512 }).status).to.equal(Status.reservationConflict);
    other.send("00 00 00 00 00 00").checked({ key: 6, asc: 0x29, ascq: 3 });
    other.send("00 00 00 00 00 00").good();
    // Nor is one hidden by a command that does not conflict, or that there is not.
    holder.send("ff 00 00 00 00 00").checked({ key: 6, asc: 0x29, ascq: 3 });
  });
});

/** SPC-4 table 66: with the right key, from one that is registered and one that is not; and from the holder itself. */
const ACTIONS: readonly { name: keyof typeof OUT; holder: number; registered: number; stranger: number }[] = [
  { name: "register", holder: Status.good, registered: Status.good, stranger: Status.good },
  { name: "registerAndIgnore", holder: Status.good, registered: Status.good, stranger: Status.good },
  {
    name: "reserve",
    holder: Status.good,
    registered: Status.reservationConflict,
    stranger: Status.reservationConflict,
  },
  { name: "release", holder: Status.good, registered: Status.good, stranger: Status.reservationConflict },
  { name: "clear", holder: Status.good, registered: Status.good, stranger: Status.reservationConflict },
  { name: "preempt", holder: Status.good, registered: Status.good, stranger: Status.reservationConflict },
  { name: "preemptAndAbort", holder: Status.good, registered: Status.good, stranger: Status.reservationConflict },
  {
    name: "registerAndMove",
    holder: Status.good,
    registered: Status.reservationConflict,
    stranger: Status.reservationConflict,
  },
  {
    name: "replaceLost",
    holder: Status.checkCondition,
    registered: Status.checkCondition,
    stranger: Status.reservationConflict,
  },
];

describe("PERSISTENT RESERVE OUT at a reserved disk", () => {
  for (const { name, holder, registered, stranger } of ACTIONS) {
    for (const type of TYPES) {
      const { allHold, name: typeName } = RESERVATION_TYPES[type];

      /** Asks with the right key, and another one where the action takes one. */
      const ask = (initiator: Initiator, key: number): number => {
        const options: OutOptions = { key, serviceKey: name === "reserve" || name === "release" ? 0 : 1, type };
        if (name === "registerAndMove") return move(initiator, { key, serviceKey: 9, to: port("third").bytes }).status;
        if (name === "register") return out(initiator, OUT.register, { key, serviceKey: 7 }).status;
        return out(initiator, OUT[name], options).status;
      };

      it(`${name} under ${typeName}`, () => {
        // Those who are registered are holders of the last two types, which cannot be moved.
        const moves = allHold && name === "registerAndMove";
        expect(ask(reserved(type, true).holder, 1), "holder").to.equal(moves ? Status.reservationConflict : holder);
        const second = allHold && name === "reserve" ? Status.good : registered;
        expect(ask(reserved(type, true).other, 2), "registered").to.equal(second);
        expect(ask(reserved(type, false).other, 0), "stranger").to.equal(stranger);
      });
    }
  }
});

describe("RESERVE and RELEASE beside persistent reservations", () => {
  for (const [name, opcodes] of [
    ["(6)", ["16", "17"]],
    ["(10)", ["56", "57"]],
  ] as const) {
    const send = (initiator: Initiator, opcode: string): number =>
      initiator.send(`${opcode}${"00".repeat(opcode[0] === "1" ? 5 : 9)}`).status;

    it(`${name} conflict with registrations, and do nothing for those whom the reservation lets in`, () => {
      for (const opcode of opcodes) {
        const shared = new Shared();
        const [first] = shared.registered("first");
        const stranger = shared.initiator("stranger");
        expect([send(first, opcode), send(stranger, opcode)]).to.deep.equal([0x18, 0x18]);
        for (const type of TYPES) {
          const { holder, other } = reserved(type, true);
          const { registrants } = RESERVATION_TYPES[type];
          expect(send(holder, opcode)).to.equal(Status.good);
          expect(send(other, opcode)).to.equal(registrants ? Status.good : Status.reservationConflict);
          expect(send(reserved(type, false).other, opcode)).to.equal(Status.reservationConflict);
          // Nothing was reserved by that.
          out(other, OUT.register, { key: 2, serviceKey: 3 }).good();
        }
      }
    });

    it(`${name} keep all persistent reservations out while they hold`, () => {
      const shared = new Shared();
      const [first, second] = [shared.initiator("first"), shared.initiator("second")];
      expect(send(first, opcodes[0])).to.equal(Status.good);
      for (const initiator of [first, second]) {
        expect(out(initiator, OUT.register, { serviceKey: 1 }).status).to.equal(Status.reservationConflict);
      }
      expect([send(second, opcodes[0]), send(second, opcodes[1])]).to.deep.equal([
        Status.reservationConflict,
        Status.good,
      ]);
      expect(send(first, opcodes[0])).to.equal(Status.good);
      expect(out(second, OUT.register, { serviceKey: 1 }).status).to.equal(Status.reservationConflict);
      expect(send(first, opcodes[1])).to.equal(Status.good);
      out(second, OUT.register, { serviceKey: 1 }).good();
    });
  }

  it("end with a reset, a lost nexus and one that is closed, and with nothing else", async () => {
    const shared = new Shared();
    const other = shared.initiator("other");
    const ends: { readonly [how: string]: (initiator: Initiator) => unknown } = {
      "a reset of the unit": ({ nexus }) =>
        nexus.manage({ function: "logical-unit-reset", lun: 0, completed: () => {} }),
      "a reset of the target": ({ nexus }) => nexus.manage({ function: "target-reset", lun: 0, completed: () => {} }),
      "the loss of its nexus": ({ nexus }) =>
        nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} }),
      "the end of its nexus": ({ nexus }) => nexus.close(),
    };
    for (const [how, end] of Object.entries(ends)) {
      const holder = shared.initiator("holder");
      holder.send("16 00 00 00 00 00").good();
      other.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} });
      other.settle();
      expect(other.send("16 00 00 00 00 00").status, how).to.equal(Status.reservationConflict);
      await end(holder);
      other.settle();
      other.send("16 00 00 00 00 00").good();
      other.send("17 00 00 00 00 00").good();
    }
  });

  it("are of a nexus, whatever LUN it has the unit at", async () => {
    const shared = new Shared();
    const twin = new Target("1:0");
    twin.add(3, shared.disk);
    const far = new Initiator(twin, new Nexus(twin, { initiatorPort: port("far") })).settle(3);
    const near = shared.initiator("near");
    shared.target.add(4, shared.disk);
    near.settle(4);
    near.settle(0);
    near.send("16 00 00 00 00 00").good();
    near.send("16 00 00 00 00 00", { lun: 4 }).good();
    expect(far.send("16 00 00 00 00 00", { lun: 3 }).status).to.equal(Status.reservationConflict);
    await shared.target.remove(4);
    expect(far.send("16 00 00 00 00 00", { lun: 3 }).status).to.equal(Status.reservationConflict);
    await shared.target.remove(0);
    far.send("16 00 00 00 00 00", { lun: 3 }).good();
  });
});
