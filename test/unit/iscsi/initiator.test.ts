// Our initiator against our own portal: logins, data both ways, what a lost connection does to commands, and what is told.

import { CHAP_DIGESTS, discoverTargets, type InitiatorOptions, LoginRefused, openGroup } from "@pvscsi/iscsi";
import { type AdapterEvent, AdapterManagement, MemoryStore } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { HoldingUnit, memoryDisk } from "../../support/scsi-devices.js";
import { InitiatorWorld } from "./initiator-world.js";
import { TARGET, World } from "./peer.js";

const secretOf = (text: string): Uint8Array => Buffer.from(text);
const JOE = { name: "joe", secret: secretOf("twelve-bytes") };
const DISK = { name: "disk", secret: secretOf("bytes-twelve") };

async function refusal(world: InitiatorWorld, wishes: Partial<InitiatorOptions>): Promise<Error> {
  try {
    await world.open(wishes);
  } catch (error) {
    return error as Error;
  }
  throw new Error("the login was not refused");
}

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8)) & 0xff));
}

describe("an iSCSI initiator's login", () => {
  it("agrees on what both want, and takes the target's word for how much it takes", async () => {
    const world = new InitiatorWorld();
    const adapter = await world.open({ headerDigest: "CRC32C", dataDigest: "CRC32C,None" });
    expect(adapter.parameters).to.include({
      HeaderDigest: "CRC32C",
      DataDigest: "CRC32C",
      InitialR2T: false,
      ImmediateData: true,
      MaxRecvDataSegmentLength: 262144,
      FirstBurstLength: 262144,
      MaxBurstLength: 1048576,
    });
    await world.settled(adapter.close());
  });

  it("rejects with the target's status, once", async () => {
    const world = new InitiatorWorld();
    const error = await refusal(world, { target: "iqn.2026-11.localhost:none" });
    expect(error).to.be.instanceOf(LoginRefused);
    expect((error as LoginRefused).status).to.equal(0x0203);
    expect(world.lines.length).to.equal(1);
  });

  it("rejects where nobody listens, and where nobody answers", async () => {
    const world = new InitiatorWorld();
    world.reachable = false;
    expect((await refusal(world, {})).message).to.equal("connection refused");
    world.reachable = true;
    world.script = () => ({ receive() {}, closed() {} });
    const opening = refusal(world, {});
    await world.world.pass(15_001);
    expect((await world.settled(opening)).message).to.equal("no login in time");
  });

  for (const digest of Object.keys(CHAP_DIGESTS)) {
    it(`proves who it is by CHAP with digest ${digest}, and asks the target for the same`, async () => {
      const world = new InitiatorWorld(new World({ authentication: { initiators: [JOE], target: DISK } }));
      const adapter = await world.open({ proof: { initiator: JOE, target: DISK, digests: [digest] } });
      await world.takeAttention(adapter);
      await world.settled(adapter.close());
    });
  }

  for (const [what, proof, reason] of [
    ["a wrong secret", { initiator: { ...JOE, secret: secretOf("wrong-secret") } }, /authentication failed/],
    ["a wrong name", { initiator: { ...JOE, name: "jim" } }, /authentication failed/],
    ["no proof", undefined, /authentication failed/],
    [
      "a target with another secret",
      { initiator: JOE, target: { ...DISK, secret: secretOf("wrong-secret") } },
      /target has not proved/,
    ],
    ["one secret for both", { initiator: JOE, target: { ...DISK, secret: JOE.secret } }, /one secret/],
    ["a target of another name", { initiator: JOE, target: { ...DISK, name: "tape" } }, /target has not proved/],
  ] as const) {
    it(`fails with ${what}`, async () => {
      const world = new InitiatorWorld(new World({ authentication: { initiators: [JOE], target: DISK } }));
      const error = await refusal(world, { proof });
      expect(error).to.be.instanceOf(LoginRefused);
      expect(error.message).to.match(reason);
    });
  }

  it("takes a target without accounts where it need not prove itself, and refuses it where it has to", async () => {
    const world = new InitiatorWorld();
    await world.settled((await world.open({ proof: { initiator: JOE } })).close());
    expect((await refusal(world, { proof: { initiator: JOE, target: DISK } })).message).to.match(/authentication/);
  });
});

describe("an iSCSI initiator's commands", () => {
  for (const [what, wishes] of [
    ["unasked data", {}],
    ["asked data", { unsolicited: false }],
    ["digests", { headerDigest: "CRC32C", dataDigest: "CRC32C" }],
  ] as const) {
    it(`write and read the same with ${what}, whatever the pages' edges`, async () => {
      const world = new InitiatorWorld();
      const adapter = await world.open(wishes);
      await world.takeAttention(adapter);
      for (const [blocks, skip] of [
        [1, 0],
        [8, 100],
        [600, 4095],
        [4096, 512],
      ]) {
        const data = pattern(blocks * 512);
        const write = await world.run(adapter, blocksCdb(0x2a, 1, blocks), { data, skip });
        expect([write.outcome, write.command.residual]).to.deep.equal(["ok/0", 0]);
        const read = await world.run(adapter, blocksCdb(0x28, 1, blocks), { room: data.length, skip: 4096 - skip });
        expect(read.outcome).to.equal("ok/0");
        expect(read.bytes.equals(data), `${blocks} blocks`).to.equal(true);
      }
      await world.settled(adapter.close());
      expect(world.world.portal.sessions.length).to.equal(0);
    });
  }

  it("tell sense data and residuals as they are", async () => {
    const world = new InitiatorWorld();
    const adapter = await world.open();
    await world.takeAttention(adapter);
    const inquiry = await world.run(adapter, [0x12, 0, 0, 0, 255, 0], { room: 255 });
    expect(inquiry.outcome).to.equal("ok/0");
    expect(inquiry.bytes.length).to.equal(inquiry.bytes[4] + 5);
    const beyond = await world.run(adapter, blocksCdb(0x28, 0x7fffffff, 1), { room: 512 });
    expect([beyond.outcome, beyond.command.residual]).to.deep.equal(["ok/2", 512]);
    expect([beyond.command.sense[2] & 15, beyond.command.sense[12]]).to.deep.equal([5, 0x21]);
    const missing = await world.run(adapter, [0], { lun: 300 });
    expect(missing.command.sense[12]).to.equal(0x25);
    const short = await world.run(adapter, blocksCdb(0x28, 0, 2), { room: 512 });
    expect([short.command.residual, short.bytes.length]).to.deep.equal([0, 512]);
    await world.settled(adapter.close());
  });

  for (const length of [17, 32, 260]) {
    it(`carry a CDB of ${length} bytes`, async () => {
      const unit = new HoldingUnit();
      const world = new InitiatorWorld(new World({}, {}, unit));
      const adapter = await world.open({ headerDigest: "CRC32C" });
      await world.takeAttention(adapter);
      const cdb = Array.from({ length }, (_, i) => (i === 0 ? 0x7f : i & 0xff));
      const probe = world.command(adapter, cdb).queue();
      await world.world.settle();
      const [task] = unit.held;
      // Additional headers are words, so that a CDB of variable length has to say itself how long it is.
      expect([...task.cdb.subarray(0, length)]).to.deep.equal(cdb);
      unit.end();
      await world.world.settle();
      expect([probe.ends, probe.outcome]).to.deep.equal([1, "ok/0"]);
      await world.settled(adapter.close());
    });
  }

  it("go out within the target's window and our depth, and all end", async () => {
    const world = new InitiatorWorld();
    const adapter = await world.open({ depth: 5 });
    await world.takeAttention(adapter);
    const probes = Array.from({ length: 300 }, (_, i) =>
      world.command(adapter, blocksCdb(0x28, i, 1), { room: 512 }).queue(),
    );
    expect(adapter.session.commands.underWay).to.equal(5);
    await world.world.settle();
    expect(probes.every(({ ends, outcome }) => ends === 1 && outcome === "ok/0")).to.equal(true);
    await world.settled(adapter.close());
  });

  it("for another target or after the end are refused", async () => {
    const world = new InitiatorWorld();
    const adapter = await world.open();
    const elsewhere = world.command(adapter, [0]);
    elsewhere.command.target = 1;
    expect(elsewhere.queue().outcome).to.equal("badTarget/0");
    await world.settled(adapter.close());
    expect((await world.run(adapter, [0])).outcome).to.equal("noConnect/0");
  });
});

describe("an iSCSI initiator that loses its connection", () => {
  async function withHolding(wishes: Partial<InitiatorOptions> = {}) {
    const unit = new HoldingUnit();
    const world = new InitiatorWorld(new World({}, {}, unit));
    const adapter = await world.open(wishes);
    await world.takeAttention(adapter);
    return { unit, world, adapter };
  }

  it("tells of what was under way, repeats none of it, and sends what had waited once it is there again", async () => {
    const { unit, world, adapter } = await withHolding({ depth: 2 });
    const probes = [0, 1, 2].map(() => world.command(adapter, [0]).queue());
    await world.world.settle();
    const before = unit.held.length;
    expect(before).to.equal(2);
    world.lines[0].cut();
    await world.world.settle();
    expect(probes.map(({ ends, outcome }) => [ends, outcome])).to.deep.equal([
      [1, "transportDisrupted/0"],
      [1, "transportDisrupted/0"],
      [0, "ok/0"],
    ]);
    await world.world.pass(1);
    expect(world.lines.length).to.equal(2);
    expect(world.world.portal.sessions.length).to.equal(1);
    // The unit attention of the new session is the answer to the third: nothing but that has come to the portal since.
    await world.world.settle();
    expect([probes[2].ends, probes[2].outcome]).to.deep.equal([1, "ok/2"]);
    expect([unit.seen.length, unit.held.length]).to.deep.equal([2, 0]);
    await world.settled(adapter.close());
  });

  it("ends a command only when none of its data is on its way any more", async () => {
    const { unit, world, adapter } = await withHolding();
    world.held = true;
    const probe = world.command(adapter, blocksCdb(0x2a, 0, 8), { data: pattern(4096) }).queue();
    await world.world.settle();
    expect(unit.seen.length, "has come").to.equal(1);
    unit.end();
    await world.world.settle();
    expect(probe.ends).to.equal(0);
    world.letGo();
    await world.world.settle();
    expect([probe.ends, probe.outcome]).to.deep.equal([1, "ok/0"]);
    await world.settled(adapter.close());
  });

  it("tries again with growing pauses, and fails what waits after the replacement timeout", async () => {
    const { world, adapter } = await withHolding({ timeouts: { replacement: 20_000 } });
    world.reachable = false;
    world.lines[0].cut();
    await world.world.settle();
    const waiting = world.command(adapter, [0]).queue();
    await world.world.pass(19_000);
    expect(waiting.ends).to.equal(0);
    // At once, then after 250, 500, 1000, 2000, 4000, 5000, 5000 ms.
    expect(world.lines.length).to.equal(1 + 8);
    await world.world.pass(1001);
    expect([waiting.ends, waiting.outcome]).to.deep.equal([1, "transportFailFast/0"]);
    expect(world.command(adapter, [0]).queue().outcome).to.equal("transportFailFast/0");
    world.reachable = true;
    await world.world.pass(5001);
    expect(adapter.session.state).to.equal("open");
    const after = world.command(adapter, [0]).queue();
    expect(after.ends).to.equal(0);
    await world.settled(adapter.close());
    expect(after.outcome).to.equal("noConnect/0");
  });

  it("comes with the same ISID, and ends the session that the target still has", async () => {
    const { world, adapter } = await withHolding();
    const [session] = world.world.portal.sessions;
    world.lines[0].near.destroy();
    adapter.session.drop(new Error("dropped"));
    await world.world.pass(1);
    const sessions = world.world.portal.sessions;
    expect(sessions.length).to.equal(1);
    expect(sessions[0]).not.to.equal(session);
    await world.settled(adapter.close());
  });

  it("asks a silent target whether it is there, and comes anew where it is not", async () => {
    const { world, adapter } = await withHolding();
    await world.world.pass(60_000);
    expect(world.lines.length).to.equal(1);
    world.lines[0].end = { receive() {}, closed() {} };
    await world.world.pass(11_000);
    expect(world.lines.length).to.equal(2);
    expect(adapter.session.state).to.equal("open");
    await world.settled(adapter.close());
  });
});

describe("an iSCSI initiator's task management", () => {
  it("aborts a command, one that waits, and none that is over", async () => {
    const unit = new HoldingUnit();
    const world = new InitiatorWorld(new World({}, {}, unit));
    const adapter = await world.open({ depth: 1 });
    await world.takeAttention(adapter);
    const [sent, waiting] = [0, 1].map(() => world.command(adapter, [0]).queue());
    await world.world.settle();
    const abort = async (victim: typeof sent): Promise<boolean> => {
      const management = new AdapterManagement();
      management.victim = victim.command;
      return await world.settled(
        new Promise((resolve) => {
          management.completed = ({ succeeded }) => resolve(succeeded);
          adapter.manage(management);
        }),
      );
    };
    expect(await abort(waiting)).to.equal(true);
    expect([waiting.ends, waiting.outcome]).to.deep.equal([1, "abort/0"]);
    expect(await abort(sent)).to.equal(true);
    expect([sent.ends, sent.outcome]).to.deep.equal([1, "abort/0"]);
    expect(await abort(sent)).to.equal(false);
    await world.settled(adapter.close());
  });

  it("resets a unit, and a target: what was sent before ends with a reset", async () => {
    const unit = new HoldingUnit();
    const world = new InitiatorWorld(new World({}, {}, unit));
    const adapter = await world.open();
    for (const name of ["logicalUnitReset", "targetWarmReset"] as const) {
      await world.takeAttention(adapter);
      const victims = [0, 1, 2].map(() => world.command(adapter, [0]).queue());
      await world.world.settle();
      expect(await world.settled(adapter.reset(name))).to.equal(0);
      expect(victims.map(({ outcome }) => outcome)).to.deep.equal(new Array(3).fill("reset/0"));
    }
    await world.settled(adapter.close());
  });
});

describe("what an iSCSI initiator is told unasked", () => {
  it("becomes an adapter's event where LUNs come and go", async () => {
    const world = new InitiatorWorld();
    const adapter = await world.open();
    const events: AdapterEvent[] = [];
    adapter.listen(async (event) => {
      events.push(event);
      return true;
    });
    world.world.target.add(7, memoryDisk(new MemoryStore(1 << 20)));
    await world.world.settle();
    await world.settled(adapter.close());
    await world.world.settle();
    expect(events.map(({ kind }) => kind)).to.deep.equal(["bus-changed", "target-changed", "closed"]);
  });
});

describe("an iSCSI discovery session", () => {
  it("is told every target with its portals and tags", async () => {
    const world = new InitiatorWorld();
    world.world.addresses = ["127.0.0.1:3260"];
    const { target: _, ...options } = world.options({ headerDigest: "CRC32C" });
    expect(await world.settled(discoverTargets(options))).to.deep.equal([
      { name: TARGET, portals: [{ host: "127.0.0.1", port: 3260, tag: 1 }] },
    ]);
    await world.world.settle();
    expect(world.world.told.filter((text) => /logged out/.test(text)).length).to.equal(1);
  });

  it("is told many of them in several texts", async () => {
    const world = new InitiatorWorld();
    const { target: _, ...options } = world.options();
    for (let i = 0; i < 6000; i++) {
      world.world.portal.add({ name: `iqn.2026-11.localhost:${i}`, groups: [openGroup(world.world.target)] });
    }
    const found = await world.settled(discoverTargets(options));
    expect(found.length).to.equal(6001);
    expect(found[6000]).to.deep.include({ name: "iqn.2026-11.localhost:5999" });
  });

  it("says what went wrong", async () => {
    const world = new InitiatorWorld();
    world.reachable = false;
    const { target: _, ...options } = world.options();
    const failed = await world.settled(
      discoverTargets(options).then(
        () => "",
        (error: Error) => error.message,
      ),
    );
    expect(failed).to.equal("connection refused");
  });
});
