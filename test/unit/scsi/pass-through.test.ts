import {
  type AdapterManagement,
  type Command,
  createDisk,
  createPassThrough,
  directAdapter,
  type HostAdapter,
  HostByte,
  localTransportId,
  MemoryStore,
  Nexus,
  type PassFilter,
  type PassThroughOptions,
  READ_SAFE,
  SENSE,
  type Sense,
  Status,
  Target,
  WRITE_SAFE,
} from "@pvscsi/scsi";
import { Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { randomCommand } from "../../support/random-command.js";
import { BLOCKS, IDENTITY, Initiator, pattern, toHex, withDisk } from "./initiator.js";

const ADDRESS = { channel: 0, target: 0, lun: 0 };
const INITIATOR_PORT = localTransportId("initiator test");

/** A logical unit that is what an adapter leads to, and an initiator whose unit attentions have been reported. */
function behind(adapter: HostAdapter, options: Partial<PassThroughOptions> = {}) {
  const clock = new Simulation(seededRandom(1));
  const unit = createPassThrough({ adapter, address: ADDRESS, deviceType: 0, clock, ...options });
  const target = new Target();
  target.add(0, unit);
  const initiator = new Initiator(target);
  return { clock, unit, target, initiator };
}

/** A disk behind a direct adapter, which the initiator has at LUN 0. */
function passedDisk(options: Partial<PassThroughOptions> = {}) {
  const store = new MemoryStore(BLOCKS * 512);
  const real = new Target();
  real.add(0, createDisk({ ...IDENTITY, store, clock: new Simulation(seededRandom(1)) }));
  const passed = behind(directAdapter(real, { initiatorPort: INITIATOR_PORT }), options);
  passed.initiator.settle();
  return { ...passed, store };
}

/** An adapter whose commands wait until the test ends them. */
class ScriptedAdapter implements HostAdapter {
  readonly name = "scripted";
  readonly driver = "scripted";
  readonly limits = {
    ...{ queueDepth: 4, maxTransfer: 65536, maxSegments: 17, maxCdb: 16, channels: 1, targets: 16, luns: 16384 },
  };
  readonly commands: Command[] = [];
  readonly managed: AdapterManagement[] = [];

  allocate(pages: number): Uint8Array[] {
    return Array.from({ length: pages }, () => new Uint8Array(4096));
  }
  free(): void {}
  listen(): void {}

  queue(command: Command): void {
    Object.assign(command, { hostByte: HostByte.ok, status: Status.good, senseLength: 0 });
    command.residual = command.data.length;
    this.commands.push(command);
  }

  manage(management: AdapterManagement): void {
    this.managed.push(management);
  }

  /** Ends the oldest command. */
  end(
    result: Partial<Pick<Command, "hostByte" | "status" | "residual">> = {},
    sense: Uint8Array = new Uint8Array(0),
  ): void {
    const command = this.commands.shift() as Command;
    Object.assign(command, result);
    command.sense.set(sense);
    command.senseLength = sense.length;
    command.completed(command);
  }

  /** Says of the oldest management request whether it succeeded. */
  answer(succeeded: boolean): void {
    const management = this.managed.shift() as AdapterManagement;
    management.succeeded = succeeded;
    management.completed(management);
  }

  /** How often it was closed. */
  closed = 0;

  async close(): Promise<void> {
    this.closed += 1;
    while (this.commands.length > 0) this.end({ hostByte: HostByte.abort });
    while (this.managed.length > 0) this.answer(false);
  }
}

/** A scripted device, whose initiator has been told of the power on of this target. */
function scripted(options: Partial<PassThroughOptions> = {}) {
  const adapter = new ScriptedAdapter();
  const passed = behind(adapter, options);
  passed.initiator.send("00 00 00 00 00 00");
  return { ...passed, adapter };
}

/** Lets time pass. */
function pass(clock: Simulation, milliseconds: number): void {
  let over = false;
  clock.after(milliseconds, { run: () => (over = true) });
  while (!over) clock.step();
}

describe("pass-through of a device behind an adapter", () => {
  it("answers every command as the device itself does: data, status, sense and residual", () => {
    for (const seed of [1, 2, 3]) {
      const direct = withDisk();
      const passed = passedDisk({ firmware: true });
      const random = seededRandom(seed);
      for (let i = 0; i < 2000; i++) {
        const { cdb, out, room } = randomCommand(random, { blocks: BLOCKS, blockSize: 512 });
        const told = [direct.initiator, passed.initiator].map((initiator) => {
          const { task, buffer, ends } = initiator.send(cdb, out === null ? { room } : { out: out.slice() });
          const moved = Math.min(task.transferLength, buffer.length);
          const data = out === null ? toHex(buffer.subarray(0, moved)) : "";
          return { ends, status: task.status, sense: toHex(task.sense.subarray(0, task.senseLength)), moved, data };
        });
        expect(told[1], `seed ${seed}, command ${i}: ${toHex(cdb)}`).to.deep.equal(told[0]);
      }
      expect(passed.store.size).to.equal(direct.store.size);
    }
  });

  it("reports the LUNs of its own target, not of the device's", () => {
    const { target, initiator } = passedDisk();
    target.add(7, createDisk({ ...IDENTITY, store: new MemoryStore(512), wwn: "5000c50012345679" }));
    const { data } = initiator.send("a0 00 00 00 00 00 00 00 00 ff 00 00", { room: 255 });
    expect(data).to.equal(`00 00 00 10 00 00 00 00 ${"00 ".repeat(9)}07 ${"00 ".repeat(6)}`.trim());
  });

  it("takes the LUN of SCSI-2 out of INQUIRY, where it is a number of this target", () => {
    const { adapter, initiator } = scripted();
    initiator.send("12 e0 00 00 24 00", { room: 36 });
    expect(toHex(adapter.commands[0].cdb.subarray(0, 6))).to.equal("12 00 00 00 24 00");
  });

  it("tells whatever sense data the device has, of any format and length", () => {
    const { adapter, initiator } = scripted();
    const sense = pattern(252, 3);
    const sent = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    adapter.end({ status: Status.checkCondition, residual: 100 }, sense);
    expect(sent.status).to.equal(Status.checkCondition);
    expect(sent.sense).to.equal(toHex(sense));
    expect(sent.task.residual).to.equal(100);
  });

  it("sends what may go either way the way that its opcode says", () => {
    const { adapter, initiator } = scripted();
    for (const [cdb, way] of [
      ["2a 00 00 00 00 00 00 00 01 00", "to-device"],
      ["28 00 00 00 00 00 00 00 01 00", "from-device"],
      ["2f 02 00 00 00 00 00 00 01 00", "to-device"],
      ["2f 00 00 00 00 00 00 00 01 00", "from-device"],
    ]) {
      const { task } = initiator.send(cdb, { room: 512, announced: true });
      task.direction = "bidirectional";
      initiator.nexus.submit(task);
      expect(adapter.commands[0].direction, cdb).to.equal(way);
      adapter.end();
    }
  });

  it("refuses what the adapter has no room for", () => {
    const { adapter, initiator } = scripted();
    initiator.send(new Uint8Array(32).fill(0x7f, 0, 1)).checked(SENSE.invalidFieldInCdb);
    initiator.send("28 00 00 00 00 00 00 01 00 00", { room: 65537 }).checked(SENSE.invalidFieldInCdb);
    expect(adapter.commands).to.have.length(0);
  });

  it("lets as many commands under way as the adapter takes", () => {
    const { adapter, initiator } = scripted();
    const sent = Array.from({ length: 5 }, () => initiator.send("00 00 00 00 00 00"));
    expect(sent[4].status).to.equal(Status.taskSetFull);
    expect(adapter.commands).to.have.length(4);
  });
});

describe("pass-through with a way for each initiator", () => {
  function severalWays() {
    const made: ScriptedAdapter[] = [];
    const make = () => {
      made.push(new ScriptedAdapter());
      return made[made.length - 1];
    };
    const first = make();
    const { target, unit, initiator } = behind(first, { ownWay: make });
    const other = new Initiator(target, new Nexus(target, { initiator: "other" }));
    // The first command of each is told of the power on of this target.
    for (const each of [initiator, other]) each.send("00 00 00 00 00 00");
    return { made, unit, initiator, other };
  }

  it("sends what comes by one nexus by one adapter, and what comes by another by another", () => {
    const { made, initiator, other } = severalWays();
    initiator.send("12 00 00 00 24 00", { room: 36 });
    other.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    expect(made.map(({ commands }) => commands.map(({ cdb }) => cdb[0]))).to.deep.equal([[0x12], [0x28]]);
  });

  it("takes the way from a nexus that goes, and gives another to one that was lost", async () => {
    const { made, initiator, other } = severalWays();
    const sent = other.send("00 00 00 00 00 00");
    other.nexus.manage({ function: "i-t-nexus-reset", lun: 0, completed: () => {} });
    expect(sent.ends).to.equal(1);
    expect(made.map(({ closed }) => closed)).to.deep.equal([0, 1, 0]);
    other.send("12 00 00 00 24 00", { room: 36 });
    expect(made[2].commands).to.have.length(1);
    await other.nexus.close();
    expect(made.map(({ closed }) => closed)).to.deep.equal([0, 1, 1]);
    initiator.send("12 00 00 00 24 00", { room: 36 });
    expect(made[0].commands).to.have.length(1);
  });

  it("resets by a way that is there, and closes all of them with the unit", async () => {
    const { made, unit, initiator, other } = severalWays();
    await initiator.nexus.close();
    other.nexus.manage({ function: "logical-unit-reset", lun: 0, completed: () => {} });
    expect(made.map(({ managed }) => managed.length)).to.deep.equal([0, 1]);
    await unit.close();
    for (const { closed } of made) expect(closed).to.be.above(0);
  });
});

describe("the filter of pass-through", () => {
  const passing = (filter: PassFilter, opcode: number): boolean => {
    const { adapter, initiator } = scripted({ filter });
    const sent = initiator.send(Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? opcode : 0)));
    if (adapter.commands.length === 0) sent.checked(SENSE.invalidOpcode);
    return adapter.commands.length > 0;
  };
  const REPORT_LUNS = 0xa0;
  const opcodes = Array.from({ length: 256 }, (_, opcode) => opcode).filter((opcode) => opcode !== REPORT_LUNS);

  it("lets everything through where there is none", () => {
    expect(opcodes.filter((opcode) => !passing("unfiltered", opcode))).to.deep.equal([]);
  });

  it("lets through what Linux lets through, and of that only what reads", () => {
    for (const opcode of opcodes) {
      expect(passing("readonly", opcode), `opcode ${opcode}`).to.equal(READ_SAFE.has(opcode));
      expect(passing("filtered", opcode), `opcode ${opcode}`).to.equal(READ_SAFE.has(opcode) || WRITE_SAFE.has(opcode));
    }
  });

  it("refuses writes to whom the target protects the LUN from, with the reason", () => {
    const adapter = new ScriptedAdapter();
    const unit = createPassThrough({
      adapter,
      address: ADDRESS,
      deviceType: 0,
      clock: new Simulation(seededRandom(1)),
    });
    const target = new Target();
    target.add(0, unit, { protected: true });
    const initiator = new Initiator(target);
    initiator.send("00 00 00 00 00 00");
    initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: pattern(512) }).checked(SENSE.writeProtected);
    initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    expect(adapter.commands).to.have.length(1);
  });

  it("loads firmware only where that is allowed", () => {
    const microcode = ["04", "05", "06", "07", "0d", "0e", "0f"];
    for (const mode of ["00", "02", "0a", ...microcode]) {
      const loads = microcode.includes(mode);
      for (const firmware of [false, true]) {
        const { adapter, initiator } = scripted({ firmware });
        initiator.send(`3b ${mode} 00 00 00 00 00 00 04 00`, { out: "00 00 00 00" });
        expect(adapter.commands.length, `mode ${mode}`).to.equal(loads && !firmware ? 0 : 1);
      }
    }
  });
});

describe("the end of a command that is passed through", () => {
  it("says what became of one that was lost on its way", () => {
    const told: readonly (readonly [number, Sense | number])[] = [
      [HostByte.noConnect, SENSE.unitNotResponding],
      [HostByte.busBusy, Status.busy],
      [HostByte.timeOut, SENSE.commandTimeout],
      [HostByte.error, SENSE.communicationFailure],
      [HostByte.reset, SENSE.commandLostByReset],
      [HostByte.transportDisrupted, SENSE.commandLostWithNexus],
      [HostByte.nexusFailure, Status.reservationConflict],
      [99, SENSE.communicationFailure],
    ];
    const { adapter, initiator } = scripted();
    for (const [hostByte, expected] of told) {
      const sent = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
      adapter.end({ hostByte });
      if (typeof expected === "number") expect(sent.status, `host byte ${hostByte}`).to.equal(expected);
      else sent.checked(expected);
      expect(sent.task.transferLength).to.equal(0);
    }
  });

  it("comes when the device has ended it, where the initiator aborts it", () => {
    const { adapter, initiator } = scripted();
    const sent = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    const responses: string[] = [];
    initiator.nexus.manage({
      function: "abort-task",
      lun: 0,
      tag: sent.task.tag,
      completed: (response) => responses.push(response),
    });
    expect(adapter.managed[0]).to.include({ function: "abort", victim: adapter.commands[0] });
    expect([sent.ends, responses]).to.deep.equal([0, []]);
    adapter.end({ hostByte: HostByte.abort });
    adapter.answer(true);
    expect([sent.ends, responses]).to.deep.equal([1, ["function-complete"]]);
  });

  it("does not use a record again before its abort was answered", () => {
    const { adapter, initiator, unit } = scripted();
    const { task } = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    const [first] = adapter.commands;
    unit.abort(task);
    adapter.end();
    initiator.send("00 00 00 00 00 00");
    expect(adapter.commands[0]).not.to.equal(first);
    adapter.answer(false);
    initiator.send("00 00 00 00 00 00");
    expect(adapter.commands[1]).to.equal(first);
  });

  it("is a timeout where the device takes too long, and whatever it says where it was quick enough", () => {
    const { adapter, initiator, clock } = scripted({ timeout: 5000 });
    const late = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    pass(clock, 4000);
    const quick = initiator.send("00 00 00 00 00 00");
    expect(adapter.managed).to.have.length(0);
    pass(clock, 2000);
    expect(adapter.managed).to.have.length(1);
    adapter.end({ hostByte: HostByte.abort });
    adapter.answer(true);
    late.checked(SENSE.commandTimeout);
    adapter.end();
    quick.good();
    pass(clock, 10_000);
    expect(adapter.managed).to.have.length(0);
  });

  it("is good where the device was done before it heard of the abort", () => {
    const { adapter, initiator, clock } = scripted({ timeout: 5000 });
    const sent = initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    pass(clock, 7000);
    adapter.end({ residual: 0 });
    adapter.answer(false);
    sent.good();
  });

  it("resets the device with the logical unit", () => {
    const { adapter, initiator } = scripted();
    initiator.nexus.manage({ function: "logical-unit-reset", lun: 0, completed: () => {} });
    expect(adapter.managed.map((management) => management.function)).to.deep.equal(["device-reset"]);
    expect(adapter.managed[0]).to.include(ADDRESS);
  });

  it("comes for all of them when the unit is closed", async () => {
    const { adapter, initiator, unit } = scripted();
    const sent = [1, 2, 3].map(() => initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 }));
    await unit.close();
    for (const each of sent) each.checked(SENSE.communicationFailure);
    expect(adapter.commands).to.have.length(0);
  });
});
