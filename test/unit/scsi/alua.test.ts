// Asymmetric logical unit access: every command of a disk in every state of the port it comes by (SPC-4 5.15.2.4), what is reported
// and asked for (6.37, 6.45), and who hears of it. The table here is written from the standard, not from the code; docs/ALUA.md prints it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ACCESS_STATES,
  type AccessState,
  ALL_STATES,
  COMMANDS,
  type CommandDescription,
  createDisk,
  decodeSense,
  MemoryStore,
  Nexus,
  type PortGroupOptions,
  SENSE,
  Status,
  Target,
  type TargetPortGroups,
} from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { BLOCKS, type Data, IDENTITY, Initiator, type Sent, toHex } from "./initiator.js";
import { OUT, out, port } from "./reserving.js";

const GROUPS: readonly PortGroupOptions[] = [
  { id: 7, name: "left", ports: [1, 3], preferred: true, transitionTime: 9 },
  { id: 0x102, name: "right", ports: [2] },
  { id: 9, name: "nobody's", ports: [] },
];

/** A disk that two targets have, the second one at LUN 5; an initiator at each. */
function twoPaths(groups: readonly PortGroupOptions[] = GROUPS) {
  const store = new MemoryStore(BLOCKS * 512);
  const clock = new Simulation(seededRandom(1));
  const disk = createDisk({ ...IDENTITY, store, clock, removable: true, portGroups: groups });
  const [one, two] = [new Target("0:0", [1]), new Target("0:1", [2])];
  one.add(0, disk);
  two.add(5, disk);
  const left = new Initiator(one, new Nexus(one, { initiatorPort: port("left") })).settle();
  const right = new Initiator(two, new Nexus(two, { initiatorPort: port("right") })).settle(5);
  const portGroups = disk.portGroups as TargetPortGroups;
  const set = (id: number, state: AccessState): void => {
    portGroups.change(new Map([[portGroups.find(id) ?? expect.fail(`no group ${id}`), state]]), null);
  };
  return { disk, left, right, set, portGroups };
}

/** A CDB that is zero but for these bytes. */
function cdbOf({ opcode, serviceAction, length }: CommandDescription, bytes: Record<number, number> = {}): number[] {
  const cdb = new Array<number>(length).fill(0);
  cdb[0] = opcode;
  cdb[1] = serviceAction ?? 0;
  for (const [at, value] of Object.entries(bytes)) cdb[Number(at)] = value;
  return cdb;
}

interface Row {
  readonly name: string;
  readonly cdbs: readonly (readonly number[])[];
  /** In standby, unavailable, offline and transitioning: + runs, - does not. All run where the port is active. */
  readonly fares: string;
}

const row = (fares: string, name: string, ...commands: CommandDescription[]): Row => ({
  name,
  cdbs: commands.map((command) => cdbOf(command)),
  fares,
});
const C = COMMANDS;

const TABLE: readonly Row[] = [
  row("+ + + +", "INQUIRY, REQUEST SENSE, REPORT LUNS", C.inquiry, C.requestSense, C.reportLuns),
  row("+ + + +", "REPORT TARGET PORT GROUPS", C.reportTargetPortGroups),
  row("+ + - -", "SET TARGET PORT GROUPS", C.setTargetPortGroups),
  {
    name: "READ BUFFER, WRITE BUFFER: echo buffer, its descriptor",
    cdbs: [cdbOf(C.readBuffer, { 1: 0x0a }), cdbOf(C.readBuffer, { 1: 0x0b }), cdbOf(C.writeBuffer, { 1: 0x0a })],
    fares: "+ + + +",
  },
  {
    name: "READ BUFFER, WRITE BUFFER: all others",
    cdbs: [cdbOf(C.readBuffer, { 1: 2 }), cdbOf(C.readBuffer, { 1: 3 }), cdbOf(C.writeBuffer, { 1: 2 })],
    fares: "- - - -",
  },
  row("+ - - -", "LOG SELECT, LOG SENSE", C.logSelect, C.logSense),
  row("+ - - -", "MODE SELECT, MODE SENSE (6, 10)", C.modeSelect6, C.modeSelect10, C.modeSense6, C.modeSense10),
  row("+ - - -", "RECEIVE DIAGNOSTIC RESULTS, SEND DIAGNOSTIC", C.receiveDiagnosticResults, C.sendDiagnostic),
  row("+ - - -", "PERSISTENT RESERVE IN", C.readKeys, C.readReservation, C.reportCapabilities, C.readFullStatus),
  row(
    "+ - - -",
    "PERSISTENT RESERVE OUT",
    C.register,
    C.reserve,
    C.release,
    C.clear,
    C.preempt,
    C.preemptAndAbort,
    C.registerAndIgnoreExistingKey,
    C.registerAndMove,
    C.replaceLostReservation,
  ),
  row("- - - -", "TEST UNIT READY, START STOP UNIT", C.testUnitReady, C.startStopUnit),
  row("- - - -", "PREVENT ALLOW MEDIUM REMOVAL", C.preventAllow),
  row("- - - -", "RESERVE, RELEASE (6, 10)", C.reserve6, C.release6, C.reserve10, C.release10),
  row(
    "- - - -",
    "REPORT SUPPORTED OPERATION CODES, TASK MANAGEMENT FUNCTIONS",
    C.reportSupportedOpcodes,
    C.reportSupportedTmfs,
  ),
  row("- - - -", "READ CAPACITY (10, 16)", C.readCapacity10, C.readCapacity16),
  row("- - - -", "READ (6, 10, 12, 16)", C.read6, C.read10, C.read12, C.read16),
  row("- - - -", "WRITE (6, 10, 12, 16)", C.write6, C.write10, C.write12, C.write16),
  row("- - - -", "VERIFY (10, 12, 16)", C.verify10, C.verify12, C.verify16),
  row("- - - -", "WRITE AND VERIFY (10, 12, 16)", C.writeAndVerify10, C.writeAndVerify12, C.writeAndVerify16),
  row(
    "- - - -",
    "COMPARE AND WRITE, ORWRITE (16), WRITE ATOMIC (16), WRITE SAME (10, 16), UNMAP",
    C.compareAndWrite,
    C.orWrite16,
    C.writeAtomic16,
    C.writeSame10,
    C.writeSame16,
    C.unmap,
  ),
  row(
    "- - - -",
    "PRE-FETCH, SYNCHRONIZE CACHE (10, 16), GET LBA STATUS, READ DEFECT DATA (10, 12)",
    C.preFetch10,
    C.preFetch16,
    C.synchronizeCache10,
    C.synchronizeCache16,
    C.getLbaStatus,
    C.readDefectData10,
    C.readDefectData12,
  ),
  row("- - - -", "EXTENDED COPY", C.extendedCopy),
  row("- - - -", "RECEIVE COPY RESULTS", C.receiveCopyStatus, C.receiveCopyParameters, C.receiveCopyFailure),
  row(
    "- - - -",
    "FORMAT UNIT, SANITIZE",
    C.formatUnit,
    C.sanitizeOverwrite,
    C.sanitizeBlockErase,
    C.sanitizeExitFailureMode,
  ),
];

/** Where the states are in the table, and what the others end with. */
const COLUMNS: readonly (readonly [AccessState, string])[] = [
  ["standby", "02 04 0b"],
  ["unavailable", "02 04 0c"],
  ["offline", "02 04 12"],
  ["transitioning", "02 04 0a"],
];
const REFUSALS = COLUMNS.map(([, refusal]) => refusal);

/** Key and codes of a command's sense data; empty where it has none. */
function senseOf({ task }: Sent): string {
  const sense = decodeSense(task.sense, task.senseLength);
  return sense === null ? "" : toHex(Uint8Array.of(sense.key, sense.asc, sense.ascq));
}

describe("a disk behind target port groups", () => {
  for (const { name, cdbs, fares } of TABLE) {
    it(`answers as the state of its port says: ${name}`, () => {
      for (const cdb of cdbs) {
        for (const [index, [state, refusal]] of COLUMNS.entries()) {
          const { left, right, set } = twoPaths();
          set(7, state);
          left.settle();
          right.settle(5);
          const sent = left.send(Uint8Array.from(cdb));
          if (fares[2 * index] === "+")
            expect(senseOf(sent), `${state} ${toHex(Uint8Array.from(cdb))}`).not.to.equal(refusal);
          else expect(senseOf(sent), `${state} ${toHex(Uint8Array.from(cdb))}`).to.equal(refusal);
          const elsewhere = right.send(Uint8Array.from(cdb), { lun: 5 });
          if (cdb[0] !== COMMANDS.setTargetPortGroups.opcode) expect(senseOf(elsewhere)).not.to.be.oneOf(REFUSALS);
        }
        for (const state of ["active-optimized", "active-non-optimized"] as const) {
          const { left, set } = twoPaths();
          set(7, state);
          expect(senseOf(left.settle().send(Uint8Array.from(cdb)))).not.to.be.oneOf(REFUSALS);
        }
      }
    });
  }

  it("is in the table with every command it has", () => {
    const { bytes } = twoPaths().left.send("a3 0c 00 00 00 00 00 00 20 00 00 00", { room: 8192 });
    const here = new Set(TABLE.flatMap(({ cdbs }) => cdbs.map(([opcode, second]) => `${opcode} ${second & 0x1f}`)));
    const missing: string[] = [];
    for (let at = 4; at < bytes.length; at += 8) {
      const action = bytes[at + 5] & 1 ? bytes[at + 3] : 0;
      const isBuffer = bytes[at] === C.readBuffer.opcode || bytes[at] === C.writeBuffer.opcode;
      if (!isBuffer && !here.has(`${bytes[at]} ${action}`)) missing.push(`${bytes[at].toString(16)}/${action}`);
    }
    expect(missing).to.deep.equal([]);
  });

  it("is what docs/ALUA.md prints", () => {
    const words = { "+": "runs", "-": "-" } as const;
    const lines = TABLE.map(({ name, fares }) => {
      return `| ${name} | ${fares
        .split(" ")
        .map((mark) => words[mark as "+" | "-"])
        .join(" | ")} |`;
    });
    const states = ALL_STATES.map((name) => {
      const { code, title, settable } = ACCESS_STATES[name];
      const refusal = COLUMNS.find(([state]) => state === name)?.[1];
      const ends = refusal === undefined ? "-" : `NOT READY, ${refusal.slice(3).replace(" ", "h/").toUpperCase()}h`;
      return `| ${code} | ${title} | ${name} | ${ends.replace("H/", "h/")} | ${settable ? "yes" : "no"} |`;
    });
    const page = readFileSync(join(repositoryRoot, "docs", "ALUA.md"), "utf8");
    expect(page).to.include(states.join("\n"));
    expect(page).to.include(
      ["| command | Standby | Unavailable | Offline | Transitioning |", "|---|---|---|---|---|", ...lines].join("\n"),
    );
  });

  it("reads and writes through one port what was written through the other", () => {
    const { left, right, set } = twoPaths();
    set(7, "active-non-optimized");
    left
      .settle()
      .send("2a 00 00 00 00 03 00 00 01 00", { out: new Uint8Array(512).fill(0x5a) })
      .good();
    set(0x102, "standby");
    right.settle(5).send("28 00 00 00 00 03 00 00 01 00", { lun: 5, room: 512 }).checked(SENSE.portInStandby);
    set(0x102, "active-optimized");
    const { bytes } = right.settle(5).send("28 00 00 00 00 03 00 00 01 00", { lun: 5, room: 512 });
    expect(bytes.every((byte) => byte === 0x5a)).to.equal(true);
  });

  it("tells REQUEST SENSE why its port does not lead to it", () => {
    const { left, set } = twoPaths();
    set(7, "standby");
    left.settle();
    expect(left.send("03 00 00 00 12 00", { room: 18 }).data).to.match(/^70 00 02 .* 04 0b /);
    set(7, "active-optimized");
    left.settle();
    expect(left.send("03 00 00 00 12 00", { room: 18 }).data).to.match(/^70 00 00 .* 00 00 /);
  });

  it("has a conflict with a reservation before the state of its port (SAM-5 5.3.3)", () => {
    const { left, right, set } = twoPaths();
    out(left, OUT.register, { serviceKey: 1 }).good();
    out(left, OUT.reserve, { key: 1, type: 3 }).good();
    set(0x102, "standby");
    right.settle(5);
    const read: Data = { lun: 5, room: 512 };
    expect(right.send("28 00 00 00 00 00 00 00 01 00", read).status).to.equal(Status.reservationConflict);
    // Whoever is in standby may register all the same.
    right.send("5e 00 00 00 00 00 00 00 08 00", { lun: 5, room: 8 }).good();
  });

  it("leads every command by a port that is in no group, and says nothing of ALUA there", () => {
    const { disk, set } = twoPaths();
    const target = new Target("0:2", [4]);
    target.add(0, disk);
    const initiator = new Initiator(target).settle();
    for (const id of [7, 0x102]) set(id, "unavailable");
    initiator.settle().send("00 00 00 00 00 00").good();
    expect(initiator.send("12 00 00 00 08 00", { room: 8 }).data).to.equal("00 80 06 02 5b 08 10 02");
    expect(initiator.send("12 01 83 00 ff 00", { room: 255 }).data).to.match(/01 14 00 04 00 00 00 04$/);
  });
});

describe("INQUIRY of a disk behind target port groups", () => {
  const standard = (initiator: Initiator, lun: number) => initiator.send("12 00 00 00 08 00", { room: 8, lun }).data;

  it("says by TPGS what may change the states, and by MULTIP that there are several ports", () => {
    for (const [implicit, explicit, byte] of [
      [true, true, "38"],
      [true, false, "18"],
      [false, true, "28"],
      [false, false, "08"],
    ] as const) {
      const { left, right } = twoPaths([{ ...GROUPS[0], implicit, explicit }, GROUPS[1]]);
      expect(standard(left, 0)).to.equal(`00 80 06 02 5b ${byte} 10 02`);
      expect(standard(right, 5)).to.equal("00 80 06 02 5b 38 10 02");
    }
    expect(standard(twoPaths([{ id: 0, name: "alone", ports: [1] }]).left, 0)).to.equal("00 80 06 02 5b 38 00 02");
  });

  it("gives the numbers of the port and of its group (83h)", () => {
    const { left, right } = twoPaths();
    const page = (initiator: Initiator, lun: number) => initiator.send("12 01 83 00 ff 00", { room: 255, lun }).data;
    expect(page(left, 0)).to.match(/01 14 00 04 00 00 00 01 01 15 00 04 00 00 00 07$/);
    expect(page(right, 5)).to.match(/01 14 00 04 00 00 00 02 01 15 00 04 00 00 01 02$/);
  });

  it("says that the unit is not connected to a port that is unavailable or offline (001b), in every page", () => {
    const { left, right, set } = twoPaths();
    for (const [state, first] of [
      ["standby", 0x00],
      ["unavailable", 0x20],
      ["offline", 0x20],
      ["transitioning", 0x00],
    ] as const) {
      set(7, state);
      for (const cdb of ["12 00 00 00 08 00", "12 01 00 00 08 00", "12 01 83 00 08 00"]) {
        expect(left.send(cdb, { room: 8 }).bytes[0], state).to.equal(first);
        expect(right.send(cdb, { room: 8, lun: 5 }).bytes[0], state).to.equal(0);
      }
    }
  });
});

const report = (initiator: Initiator, lun: number, { format = "0a", length = "00 00 01 00" } = {}) =>
  initiator.send(`a3 ${format} 00 00 00 00 ${length} 00 00`, { room: 256, lun });

describe("REPORT TARGET PORT GROUPS", () => {
  it("lists the groups that have ports, in the order of their numbers, to whoever asks", () => {
    const { left, right, set } = twoPaths();
    set(0x102, "standby");
    left.settle();
    right.settle(5);
    const expected = "00 00 00 1c 80 cf 00 07 00 00 00 02 00 00 00 01 00 00 00 03 02 cf 01 02 00 02 00 01 00 00 00 02";
    expect(report(left, 0).data).to.equal(expected);
    expect(report(right, 5).data).to.equal(expected);
  });

  it("has an extended header, with the time that an implicit change takes", () => {
    const { left, right } = twoPaths();
    expect(report(left, 0, { format: "2a" }).data).to.match(/^00 00 00 20 10 09 00 00 80 cf 00 07 /);
    expect(report(right, 5, { format: "2a" }).data).to.match(/^00 00 00 20 10 00 00 00 80 cf 00 07 /);
  });

  it("refuses other formats with a pointer to the field", () => {
    const { left } = twoPaths();
    for (const format of ["4a", "6a", "8a", "aa", "ca", "ea"]) {
      report(left, 0, { format }).checked(SENSE.invalidFieldInCdb, "cf 00 01");
    }
  });

  it("is cut to the allocation length, and says its whole length all the same", () => {
    const { left } = twoPaths();
    expect(report(left, 0, { length: "00 00 00 06" }).data).to.equal("00 00 00 1c 80 cf");
    expect(report(left, 0, { length: "00 00 00 00" }).task.transferLength).to.equal(0);
  });

  it("lists only the states that a group has", () => {
    const { left } = twoPaths([{ ...GROUPS[0], supports: ["active-optimized", "standby"] }]);
    expect(report(left, 0).data).to.match(/^00 00 00 10 80 05 00 07 /);
  });

  it("is not there where no groups are, nor is SET where no group lets initiators", () => {
    const lone = createDisk({ ...IDENTITY, store: new MemoryStore(BLOCKS * 512) });
    const target = new Target();
    target.add(0, lone);
    const initiator = new Initiator(target).settle();
    report(initiator, 0).checked(SENSE.invalidFieldInCdb, "cc 00 01");
    initiator.send("a4 0a 00 00 00 00 00 00 00 00 00 00").checked(SENSE.invalidOpcode);
    const { left } = twoPaths(GROUPS.map((group) => ({ ...group, explicit: false })));
    left.send("a4 0a 00 00 00 00 00 00 00 00 00 00").checked(SENSE.invalidOpcode);
    report(left, 0).good();
  });
});

/** SET TARGET PORT GROUPS with descriptors `02 00 00 07`. */
function ask(initiator: Initiator, lun: number, ...descriptors: string[]): Sent {
  const length = (4 + 4 * descriptors.length).toString(16).padStart(8, "0");
  return initiator.send(`a4 0a 00 00 00 00 ${length} 00 00`, { lun, out: `00 00 00 00 ${descriptors.join("")}` });
}

describe("SET TARGET PORT GROUPS", () => {
  const states = ({ all }: TargetPortGroups) => all.filter(({ ports }) => ports.length > 0).map(({ state }) => state);

  it("gives several groups their states at once, which is honoured at each port", () => {
    const { left, right, portGroups } = twoPaths();
    ask(left, 0, "02 00 00 07", "03 00 01 02").good();
    expect(states(portGroups)).to.deep.equal(["standby", "unavailable"]);
    left.settle().send("00 00 00 00 00 00").checked(SENSE.portInStandby);
    right.settle(5).send("00 00 00 00 00 00", { lun: 5 }).checked(SENSE.portUnavailable);
    // Standby and unavailable are left by the same command (SPC-4 5.15.2.4.4, 5.15.2.4.5).
    ask(right, 5, "00 00 01 02", "01 00 00 07").good();
    expect(states(portGroups)).to.deep.equal(["active-non-optimized", "active-optimized"]);
  });

  it("tells all initiators but the one that asked, once, where something changes", () => {
    const { left, right } = twoPaths();
    ask(left, 0, "01 00 00 07", "02 00 01 02").good();
    left.send("00 00 00 00 00 00").good();
    right.send("00 00 00 00 00 00", { lun: 5 }).checked(SENSE.accessStateChanged);
    right.send("00 00 00 00 00 00", { lun: 5 }).checked(SENSE.portInStandby);
    ask(left, 0, "01 00 00 07", "02 00 01 02").good();
    right.send("00 00 00 00 00 00", { lun: 5 }).checked(SENSE.portInStandby);
  });

  it("is told by STATUS CODE from what the target has changed itself, of which all hear", () => {
    const { left, right, set } = twoPaths();
    ask(left, 0, "01 00 00 07").good();
    right.settle(5);
    set(0x102, "active-non-optimized");
    for (const [initiator, lun] of [
      [left, 0],
      [right, 5],
    ] as const) {
      initiator.send("00 00 00 00 00 00", { lun }).checked(SENSE.accessStateChanged);
      initiator.send("00 00 00 00 00 00", { lun }).good();
    }
    const { bytes } = report(left, 0);
    expect([bytes[4 + 5], bytes[4 + 16 + 5]]).to.deep.equal([1, 2]);
  });

  it("changes nothing where anything in the list is wrong, and points to it", () => {
    const { left, portGroups, right } = twoPaths();
    const wrong: readonly (readonly [string, string])[] = [
      ["02 00 00 08", "80 00 0a"],
      ["02 00 00 07", "80 00 0a"],
      ["04 00 01 02", "8b 00 08"],
      ["05 00 01 02", "8b 00 08"],
      ["0e 00 01 02", "8b 00 08"],
      ["0f 00 01 02", "8b 00 08"],
    ];
    for (const [descriptor, pointer] of wrong) {
      ask(left, 0, "01 00 00 07", descriptor).checked(SENSE.invalidFieldInParameterList, pointer);
    }
    expect(states(portGroups)).to.deep.equal(["active-optimized", "active-optimized"]);
    right.send("00 00 00 00 00 00", { lun: 5 }).good();
  });

  it("refuses a state that the group has not, and a group that is the target's own affair", () => {
    const { left, right } = twoPaths([
      { ...GROUPS[0], supports: ["active-optimized", "standby"] },
      { ...GROUPS[1], explicit: false },
    ]);
    ask(left, 0, "03 00 00 07").checked(SENSE.invalidFieldInParameterList, "8b 00 04");
    ask(left, 0, "02 00 01 02").checked(SENSE.invalidFieldInParameterList, "80 00 06");
    ask(right, 5, "02 00 00 07").checked(SENSE.invalidOpcode);
    ask(left, 0, "02 00 00 07").good();
  });

  it("takes a list of no bytes and one of a header alone, and none that is cut", () => {
    const { left } = twoPaths();
    left.send("a4 0a 00 00 00 00 00 00 00 00 00 00").good();
    ask(left, 0).good();
    for (const length of ["01", "03", "05", "07"]) {
      const cdb = `a4 0a 00 00 00 00 00 00 00 ${length} 00 00`;
      left.send(cdb, { out: "00 00 00 00 02 00 00 07" }).checked(SENSE.parameterListLengthError);
    }
    left.send("a4 0a 00 00 00 00 00 00 00 08 00 00", { out: "00 00 00 00" }).checked(SENSE.parameterListLengthError);
    left.send("a4 0a 00 00 00 00 00 01 00 00 00 00", { out: "00 00 00 00" }).checked(SENSE.parameterListLengthError);
    left.send("00 00 00 00 00 00").good();
  });

  it("is refused while another group is between two states", () => {
    const { left, set, portGroups } = twoPaths();
    set(0x102, "transitioning");
    ask(left.settle(), 0, "02 00 00 07").checked(SENSE.accessStateTransition);
    expect(states(portGroups)).to.deep.equal(["active-optimized", "transitioning"]);
  });

  it("has each reserved bit of both CDBs checked", () => {
    const { left } = twoPaths();
    for (const opcode of [0xa3, 0xa4]) {
      for (const [byte, free] of [1, 2, 3, 4, 5, 10, 11].entries()) {
        for (let bit = 0; bit < 8; bit++) {
          if (byte === 0 && (bit < 5 || opcode === 0xa3)) continue;
          const cdb = new Uint8Array(12);
          cdb.set([opcode, 0x0a]);
          cdb[free] |= 1 << bit;
          const { field } = decodeSense(left.send(cdb).task.sense) ?? expect.fail("no sense data");
          expect(field).to.deep.equal({ in: "cdb", byte: free, bit });
        }
      }
    }
  });
});

describe("the states of target port groups", () => {
  it("cost commands nothing while all are active, and are asked for by port else", () => {
    const { portGroups, set } = twoPaths();
    expect(portGroups.guard).to.equal(null);
    set(7, "active-non-optimized");
    expect(portGroups.guard).to.equal(null);
    set(7, "standby");
    expect(portGroups.guard).to.equal(portGroups);
    set(7, "active-optimized");
    expect(portGroups.guard).to.equal(null);
  });

  it("stay through a reset of the unit (SPC-4 5.15.2.5)", () => {
    const { disk, left, set } = twoPaths();
    set(7, "standby");
    disk.reset();
    left.settle().send("00 00 00 00 00 00").checked(SENSE.portInStandby);
  });

  it("are of groups that are there once, with ports that are in one of them", () => {
    for (const groups of [
      [GROUPS[0], { ...GROUPS[1], id: 7 }],
      [GROUPS[0], { ...GROUPS[1], ports: [3] }],
      [{ ...GROUPS[0], id: 0x10000 }],
      [{ ...GROUPS[0], state: "standby", supports: ["active-optimized"] } as const],
    ]) {
      expect(() => twoPaths(groups)).to.throw();
    }
  });
});
