// States of target port groups through a loss of power: kept before they are there, and refused where that fails.

import {
  createDisk,
  type Keeper,
  MemoryStore,
  readStates,
  SENSE,
  Status,
  StoreError,
  Target,
  type TargetPortGroups,
} from "@pvscsi/scsi";
import { expect } from "chai";
import { BLOCKS, IDENTITY, Initiator, type Sent } from "./initiator.js";

const UNIT = `naa.${IDENTITY.wwn}`;
const GROUPS = [
  { id: 1, name: "left", ports: [1] },
  { id: 2, name: "right", ports: [2] },
] as const;
const STANDBY = "02 00 00 02";

/** Keeps texts in its own time. */
class HeldKeeper implements Keeper {
  kept: string | null;
  readonly #held: (() => void)[] = [];
  fails = false;

  constructor(kept: string | null = null) {
    this.kept = kept;
  }

  keep(text: string | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#held.push(() => {
        if (this.fails) return reject(new Error("no space"));
        this.kept = text;
        resolve();
      });
    });
  }

  get holds(): number {
    return this.#held.length;
  }

  async release(): Promise<void> {
    await settle();
    this.#held.shift()?.();
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

function stand(keeper: Keeper) {
  const store = new MemoryStore(BLOCKS * 512);
  const disk = createDisk({ ...IDENTITY, store, portGroups: GROUPS, accessStates: keeper });
  const target = new Target("0:0", [1, 2]);
  target.add(0, disk);
  const portGroups = disk.portGroups as TargetPortGroups;
  const states = () => portGroups.all.map(({ state }) => state);
  return { disk, target, portGroups, states, initiator: new Initiator(target).settle() };
}

function ask(initiator: Initiator, descriptor: string): Sent {
  return initiator.send("a4 0a 00 00 00 00 00 00 00 08 00 00", { out: `00 00 00 00 ${descriptor}` });
}

describe("states of target port groups that are kept", () => {
  it("are there when they are durable, and after a restart", async () => {
    const keeper = new HeldKeeper();
    const { initiator, states } = stand(keeper);
    const other = new Initiator(stand(keeper).target);
    const sent = ask(initiator, STANDBY);
    await settle();
    expect([sent.ends, states(), keeper.holds]).to.deep.equal([0, ["active-optimized", "active-optimized"], 1]);
    await keeper.release();
    expect([sent.good().ends, states()[1]]).to.deep.equal([1, "standby"]);
    expect(keeper.kept).to.equal(
      [
        "pvscsi target port groups, version 1",
        `unit ${UNIT}`,
        "group 1 state active-optimized cause 0",
        "group 2 state standby cause 1",
        "end",
        "",
      ].join("\n"),
    );
    const again = stand(new HeldKeeper(keeper.kept));
    expect(again.states()).to.deep.equal(["active-optimized", "standby"]);
    expect(again.portGroups.all[1].cause).to.equal(1);
    expect(again.portGroups.guard).to.equal(again.portGroups);
    expect(other.nexus.open).to.equal(true);
  });

  it("are as they were where they cannot be kept, and SET TARGET PORT GROUPS has failed", async () => {
    const keeper = new HeldKeeper();
    keeper.fails = true;
    const { initiator, states, portGroups } = stand(keeper);
    const sent = ask(initiator, STANDBY);
    await keeper.release();
    sent.checked(SENSE.setTargetPortGroupsFailed);
    expect(states()).to.deep.equal(["active-optimized", "active-optimized"]);
    let kept: boolean | null = null;
    portGroups.change(new Map([[portGroups.all[0], "unavailable"]]), null, (changed) => (kept = changed));
    await keeper.release();
    expect([kept, states()[0]]).to.deep.equal([false, "active-optimized"]);
    keeper.fails = false;
    const next = ask(initiator, STANDBY);
    await keeper.release();
    next.good();
  });

  it("are not asked for while others are being kept; those of the target itself wait", async () => {
    const keeper = new HeldKeeper();
    const { initiator, states, portGroups } = stand(keeper);
    const first = ask(initiator, STANDBY);
    ask(initiator, "03 00 00 02").checked(SENSE.accessStateTransition);
    portGroups.change(new Map([[portGroups.all[0], "active-non-optimized"]]), null);
    await keeper.release();
    first.good();
    expect(states()).to.deep.equal(["active-optimized", "standby"]);
    await keeper.release();
    expect(states()).to.deep.equal(["active-non-optimized", "standby"]);
    expect(keeper.kept).to.include("group 1 state active-non-optimized cause 2\ngroup 2 state standby cause 1\n");
  });

  it("change when the command that asked is aborted, which ends at once; its initiator hears of it as well", async () => {
    const keeper = new HeldKeeper();
    const { initiator, states, disk } = stand(keeper);
    const sent = ask(initiator, STANDBY);
    let ended = false;
    initiator.nexus.manage({ function: "abort-task-set", lun: 0, completed: () => (ended = true) });
    expect([sent.ends, sent.task.aborted, ended]).to.deep.equal([1, true, true]);
    let closed = false;
    const closing = disk.close().then(() => (closed = true));
    await settle();
    expect(closed).to.equal(false);
    await keeper.release();
    expect([sent.ends, states()[1]]).to.deep.equal([1, "standby"]);
    initiator.send("00 00 00 00 00 00").checked(SENSE.accessStateChanged);
    await closing;
  });

  it("are kept of groups that are there no more without effect, and of states that a group has not", () => {
    const lines = ["group 9 state standby cause 1", "group 1 state standby cause 1"];
    const text = ["pvscsi target port groups, version 1", `unit ${UNIT}`, ...lines, "end", ""].join("\n");
    expect(stand(new HeldKeeper(text)).states()).to.deep.equal(["standby", "active-optimized"]);
  });

  for (const [name, lines] of [
    ["another title", ["pvscsi reservations", `unit ${UNIT}`, "end", ""]],
    ["another unit", ["pvscsi target port groups, version 1", "unit naa.1", "end", ""]],
    ["no end", ["pvscsi target port groups, version 1", `unit ${UNIT}`, "group 1 state standby cause 1", ""]],
    ["a state that is none", [`group 1 state odd cause 1`]],
    ["a cause that is none", [`group 1 state standby cause 3`]],
    ["a number that is none", [`group 65536 state standby cause 1`]],
    ["a group twice", [`group 1 state standby cause 1`, `group 1 state standby cause 1`]],
  ] as const) {
    it(`are not read with ${name}`, () => {
      const whole =
        lines.length > 2 ? lines : ["pvscsi target port groups, version 1", `unit ${UNIT}`, ...lines, "end", ""];
      expect(() => readStates(whole.join("\n"), UNIT)).to.throw(StoreError, /^line \d+ is /);
      expect(() => stand(new HeldKeeper(whole.join("\n")))).to.throw(StoreError);
    });
  }

  it("end a command with GOOD at once where nothing has to be kept", () => {
    const { initiator } = stand({ kept: null, keep: () => expect.fail("nothing is to be kept") });
    expect(initiator.send("a4 0a 00 00 00 00 00 00 00 00 00 00").status).to.equal(Status.good);
  });
});
