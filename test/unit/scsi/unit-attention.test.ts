// What each initiator hears of each event (SAM-5 5.14, SPC-4): the one that brought it about, another one of the same target, and
// one that reaches the unit by another target. Then the order in which what waits is reported.

import { createDisk, type ManagementFunction, MemoryStore, Nexus, Status, Target } from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { BLOCKS, IDENTITY, Initiator } from "./initiator.js";
import { OUT, out, port } from "./reserving.js";

const READY = "00 00 00 00 00 00";
const LUNS = { own: 0, same: 0, far: 7 } as const;
type Who = keyof typeof LUNS;

/** A removable disk at LUN 0 of one target and LUN 7 of another, and three initiators that have heard of all so far. */
class Shared {
  readonly store = new MemoryStore(BLOCKS * 512);
  readonly disk = createDisk({
    ...IDENTITY,
    store: this.store,
    removable: true,
    clock: new Simulation(seededRandom(1)),
  });
  readonly targets = [new Target("0:0", [1]), new Target("1:0", [2])];
  readonly initiators: { readonly [Name in Who]: Initiator };

  constructor() {
    for (const [i, target] of this.targets.entries()) target.add(i * 7, this.disk);
    const initiator = (who: Who): Initiator => {
      const target = this.targets[who === "far" ? 1 : 0];
      return new Initiator(target, new Nexus(target, { initiatorPort: port(who) })).settle(LUNS[who]);
    };
    this.initiators = { own: initiator("own"), same: initiator("same"), far: initiator("far") };
  }

  send(cdb: string, parameters?: string): void {
    this.initiators.own.send(cdb, parameters === undefined ? {} : { out: parameters }).good();
  }

  manage(name: ManagementFunction): void {
    this.initiators.own.nexus.manage({ function: name, lun: 0, completed: () => {} });
  }

  /** PERSISTENT RESERVE OUT, by the first initiator where nobody is named. */
  reserve(action: number, options: { key?: number; serviceKey?: number; type?: number }, who: Who = "own"): void {
    out(this.initiators[who], action, options, LUNS[who]).good();
  }

  /** Keys 1, 2 and 3 for the three, and what the second one reserves. */
  reserved(type: number): void {
    for (const [i, who] of (["own", "same", "far"] as const).entries()) {
      this.reserve(OUT.register, { serviceKey: i + 1 }, who);
    }
    this.reserve(OUT.reserve, { key: 2, type }, "same");
    this.settle();
  }

  settle(): void {
    for (const who of ["own", "same", "far"] as const) this.initiators[who].settle(LUNS[who]);
  }

  /** The additional sense codes that are pending, as each is reported by TEST UNIT READY. */
  pending(who: Who): string {
    const codes: string[] = [];
    const initiator = this.initiators[who];
    for (;;) {
      const { status, task } = initiator.send(READY, { lun: LUNS[who] });
      if (status !== Status.checkCondition || (task.sense[2] & 0x0f) !== 6) return codes.join(" ");
      codes.push(`${task.sense[12].toString(16)}/${task.sense[13].toString(16)}`);
    }
  }
}

type Row = readonly [event: string, does: (shared: Shared) => void, own: string, same: string, far: string];

/** A parameter list of MODE SELECT: the control page with SWP, D_SENSE. */
const control = (swp: 0 | 8, dSense: 0 | 4 = 0): string => {
  return `00 00 00 00 0a 0a 0${dSense} 10 0${swp} 00 00 00 00 00 00 00`;
};
const SELECT = "15 10 00 00 10 00";
/** A READ, which is counted, and LOG SELECT with PCR, which forgets that. */
const resetLog = (shared: Shared): void => {
  shared.initiators.own.settle().send("28 00 00 00 00 00 00 00 01 00", { room: 512 }).good();
  shared.send("4c 02 40 00 00 00 00 00 00 00");
};
const WRITE_EXCLUSIVE = 1;
const REGISTRANTS_ONLY = 5;

const ROWS: readonly Row[] = [
  ["nothing", () => {}, "", "", ""],
  ["LOGICAL UNIT RESET", (shared) => shared.manage("logical-unit-reset"), "29/3", "29/3", "29/3"],
  ["TARGET RESET", (shared) => shared.manage("target-reset"), "29/3", "29/3", "29/3"],
  ["I_T NEXUS RESET", (shared) => shared.manage("i-t-nexus-reset"), "29/7", "", ""],
  ["CLEAR TASK SET without tasks", (shared) => shared.manage("clear-task-set"), "", "", ""],
  ["a capacity that grows", ({ store }) => store.resize((BLOCKS + 1) * 512), "2a/9", "2a/9", "2a/9"],
  [
    "a medium that is ejected and loaded",
    (shared) => {
      shared.send("1b 00 00 00 02 00");
      shared.send("1b 00 00 00 03 00");
    },
    "",
    "28/0",
    "28/0",
  ],
  ["MODE SELECT", (shared) => shared.send(SELECT, control(8)), "", "2a/1", "2a/1"],
  ["MODE SELECT of what is so already", (shared) => shared.send(SELECT, control(0)), "", "", ""],
  ["LOG SELECT with PCR", resetLog, "", "2a/2", "2a/2"],
  [
    "a LUN that comes at one target",
    ({ targets }) => targets[0].add(5, createDisk({ ...IDENTITY, store: new MemoryStore(BLOCKS * 512) })),
    "3f/e",
    "3f/e",
    "",
  ],
  ["REGISTER", (shared) => shared.reserve(OUT.register, { serviceKey: 9 }), "", "", ""],
  [
    "RELEASE of a reservation for registrants",
    (shared) => {
      shared.reserved(REGISTRANTS_ONLY);
      shared.reserve(OUT.release, { key: 2, type: REGISTRANTS_ONLY }, "same");
    },
    "2a/4",
    "",
    "2a/4",
  ],
  [
    "RELEASE of one for its holder alone",
    (shared) => {
      shared.reserved(WRITE_EXCLUSIVE);
      shared.reserve(OUT.release, { key: 2, type: WRITE_EXCLUSIVE }, "same");
    },
    "",
    "",
    "",
  ],
  [
    "CLEAR",
    (shared) => {
      shared.reserved(WRITE_EXCLUSIVE);
      shared.reserve(OUT.clear, { key: 1 });
    },
    "",
    "2a/3",
    "2a/3",
  ],
  [
    "PREEMPT of who holds it",
    (shared) => {
      shared.reserved(WRITE_EXCLUSIVE);
      shared.reserve(OUT.preempt, { key: 1, serviceKey: 2, type: WRITE_EXCLUSIVE });
    },
    "",
    "2a/5",
    "",
  ],
  [
    "PREEMPT by another type",
    (shared) => {
      shared.reserved(WRITE_EXCLUSIVE);
      shared.reserve(OUT.preempt, { key: 1, serviceKey: 2, type: REGISTRANTS_ONLY });
    },
    "",
    "2a/5",
    "2a/4",
  ],
  [
    "PREEMPT AND ABORT of who has no tasks",
    (shared) => {
      shared.reserved(WRITE_EXCLUSIVE);
      shared.reserve(OUT.preemptAndAbort, { key: 1, serviceKey: 3 });
    },
    "",
    "",
    "2a/5",
  ],
];

describe("unit attentions", () => {
  for (const [event, does, ...expected] of ROWS) {
    const heard = expected.map((codes) => codes || "none").join(", ");
    it(`of ${event}: ${heard}`, () => {
      const shared = new Shared();
      does(shared);
      expect((["own", "same", "far"] as const).map((who) => shared.pending(who))).to.deep.equal(expected);
    });
  }

  for (const [order, events, expected] of [
    ["as they came", ["capacity", "mode", "log"], "2a/9 2a/1 2a/2"],
    ["each once", ["mode", "capacity", "mode"], "2a/1 2a/9"],
    ["a loss of the nexus first", ["capacity", "loss"], "29/7 2a/9"],
    ["a reset before that, and it is enough", ["mode", "loss", "reset"], "29/3 2a/1"],
    ["no loss where there was a reset", ["reset", "loss", "capacity"], "29/3 2a/9"],
  ] as const) {
    it(`are reported: ${order}`, () => {
      const shared = new Shared();
      let [size, swp]: [number, 0 | 8] = [BLOCKS, 0];
      const cause: { readonly [event in "capacity" | "mode" | "log" | "reset" | "loss"]: () => void } = {
        capacity: () => shared.store.resize(++size * 512),
        mode: () => {
          swp = swp === 0 ? 8 : 0;
          shared.initiators.own.settle();
          shared.send(SELECT, control(swp));
        },
        log: () => resetLog(shared),
        reset: () => shared.disk.reset(),
        loss: () => shared.initiators.far.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} }),
      };
      for (const event of events) cause[event]();
      expect(shared.pending("far")).to.equal(expected);
    });
  }

  it("are in descriptor format with D_SENSE", () => {
    const shared = new Shared();
    shared.send(SELECT, control(0, 4));
    expect(shared.initiators.far.send(READY, { lun: 7 }).sense).to.equal("72 06 2a 01 00 00 00 00");
  });

  it("come behind a reservation conflict, and stay", () => {
    const shared = new Shared();
    shared.reserve(OUT.register, { serviceKey: 1 });
    shared.reserve(OUT.reserve, { key: 1, type: 3 });
    shared.store.resize((BLOCKS + 1) * 512);
    const refused = shared.initiators.far.send("28 00 00 00 00 00 00 00 01 00", { lun: 7, room: 512 });
    expect(refused.status).to.equal(Status.reservationConflict);
    shared.initiators.own.settle();
    shared.reserve(OUT.release, { key: 1, type: 3 });
    expect(shared.pending("far")).to.equal("2a/9");
  });
});
