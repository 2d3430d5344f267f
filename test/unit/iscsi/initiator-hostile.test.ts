// Our initiator against targets that break RFC 7143, say nothing, move away or ask for things: each ends only its connection,
// and each command ends once.

import {
  Answer,
  AsynchronousEvent,
  AsynchronousMessage,
  DataIn,
  FINAL,
  type InitiatorOptions,
  type IscsiInitiator,
  LoginStatus,
  NO_TAG,
  Opcode,
  ReadyToTransfer,
  Reject,
  RejectReason,
  ScsiResponse,
  STATUS,
} from "@pvscsi/iscsi";
import type { AdapterEvent } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { InitiatorWorld, type Probe } from "./initiator-world.js";
import { pduOf } from "./peer.js";
import { type ScriptedLogin, ScriptedTarget } from "./scripted-target.js";

interface Scripted {
  readonly world: InitiatorWorld;
  readonly adapter: IscsiInitiator;
  /** By connection. */
  readonly targets: ScriptedTarget[];
}

function scripted(world: InitiatorWorld, login: ScriptedLogin = {}): ScriptedTarget[] {
  const targets: ScriptedTarget[] = [];
  world.script = (line) => {
    const target = new ScriptedTarget(line, login);
    targets.push(target);
    return target;
  };
  return targets;
}

async function open(wishes: Partial<InitiatorOptions> = {}, login: ScriptedLogin = {}): Promise<Scripted> {
  const world = new InitiatorWorld();
  const targets = scripted(world, login);
  return { world, adapter: await world.open(wishes), targets };
}

/** Cases of a READ of 4096 bytes or a WRITE of 256 KiB: what the target does with it. */
type Attack = (target: ScriptedTarget, itt: number) => void;
const dataIn =
  (fields: object, length: number): Attack =>
  (target, itt) =>
    target.put(DataIn, { opcode: Opcode.dataIn, flags: 0, itt, ttt: NO_TAG, ...fields }, Buffer.alloc(length), false);
const r2t =
  (fields: object): Attack =>
  (target, itt) =>
    target.put(
      ReadyToTransfer,
      { opcode: Opcode.readyToTransfer, itt, ttt: 1, bufferOffset: 8192, desiredLength: 4096, ...fields },
      undefined,
      false,
    );

const READ_ATTACKS: { readonly [what: string]: Attack } = {
  "a DataSN that is not next": dataIn({ dataSN: 1 }, 512),
  "data that is not next": dataIn({ bufferOffset: 512 }, 512),
  "more data than there is room for": dataIn({}, 4100),
  "data for a tag that nothing has": (target) => dataIn({ itt: 77 }, 512)(target, 0),
  "an R2T for a read": r2t({ bufferOffset: 0 }),
  "a data segment beyond what we take": (target, itt) => {
    const bytes = pduOf(DataIn, { opcode: Opcode.dataIn, itt });
    bytes.writeUIntBE(0xffffff, 5, 3);
    target.give(bytes);
  },
  "a response to a tag that nothing has": (target) => target.put(ScsiResponse, { opcode: Opcode.response, itt: 99 }),
  "a StatSN that is not next": (target, itt) => {
    target.statSN += 1;
    target.put(ScsiResponse, { opcode: Opcode.response, itt });
  },
  "sense data longer than its PDU": (target, itt) =>
    target.put(ScsiResponse, { opcode: Opcode.response, itt, status: 2 }, Uint8Array.of(0, 200, 0x70)),
  "a second response": (target, itt) => {
    target.put(ScsiResponse, { opcode: Opcode.response, itt: itt ^ 1 });
    target.put(ScsiResponse, { opcode: Opcode.response, itt: itt ^ 1 });
  },
  "a Reject of the command": (target) =>
    target.put(
      Reject,
      { opcode: Opcode.reject, itt: NO_TAG, reason: RejectReason.protocolError },
      pduOf(ScsiResponse, { opcode: Opcode.command }),
    ),
  "a PDU of an initiator": (target) => target.put(Answer, { opcode: Opcode.nopOut }),
  "an opcode that is none": (target) => target.put(Answer, { opcode: 0x3e }),
  "an answer to what was not asked": (target) => target.put(Answer, { opcode: Opcode.textResponse, itt: 5 }),
  "a hundred pings at once": (target) => {
    const ping = pduOf(Answer, { opcode: Opcode.nopIn, flags: FINAL, itt: NO_TAG, ttt: 3 });
    target.give(Buffer.concat(new Array(100).fill(ping)));
  },
  "its end": (target) =>
    target.put(AsynchronousMessage, {
      opcode: Opcode.asynchronous,
      itt: NO_TAG,
      event: AsynchronousEvent.sessionDropped,
    }),
};

const WRITE_ATTACKS: { readonly [what: string]: Attack } = {
  "an R2T beyond the transfer": r2t({ desiredLength: 65536 }),
  "an R2T for nothing": r2t({ desiredLength: 0 }),
  "an R2T that is not next": r2t({ r2tSN: 1 }),
  "an R2T for what was sent": r2t({ bufferOffset: 0 }),
  "an R2T without a tag": r2t({ ttt: NO_TAG }),
  "data for a write": dataIn({}, 512),
};

/** The connection ends, and the command with it; the next one serves. */
async function judge({ world, adapter, targets }: Scripted, probe: Probe, attack: Attack): Promise<void> {
  await world.world.settle();
  const [target] = targets;
  attack(target, target.take().fields.itt);
  await world.world.settle();
  expect([probe.ends, probe.outcome, target.closes]).to.deep.equal([1, "transportDisrupted/0", 1]);
  await world.world.pass(2001);
  expect(targets.length, "connections").to.equal(2);
  const after = world.command(adapter, [0]).queue();
  await world.world.settle();
  const { itt } = targets[1].take().fields;
  targets[1].put(ScsiResponse, { opcode: Opcode.response, itt });
  await world.world.settle();
  expect([after.ends, after.outcome]).to.deep.equal([1, "ok/0"]);
}

describe("an iSCSI initiator at a hostile target", () => {
  for (const [what, attack] of Object.entries(READ_ATTACKS)) {
    it(`ends the connection after ${what}`, async () => {
      const all = await open();
      const probe = all.world.command(all.adapter, blocksCdb(0x28, 0, 8), { room: 4096 }).queue();
      await judge(all, probe, attack);
    });
  }

  for (const [what, attack] of Object.entries(WRITE_ATTACKS)) {
    it(`ends the connection after ${what} to a WRITE`, async () => {
      const all = await open({ unsolicited: true });
      const probe = all.world.command(all.adapter, blocksCdb(0x2a, 0, 32), { data: Buffer.alloc(16384, 1) }).queue();
      await judge(all, probe, attack);
    });
  }

  for (const [what, digests, at] of [
    ["a header", { headerDigest: "CRC32C" }, 47],
    ["data", { dataDigest: "CRC32C" }, 48 + 100],
  ] as const) {
    it(`ends the connection after a wrong digest of ${what}`, async () => {
      const key = what === "data" ? "DataDigest" : "HeaderDigest";
      const all = await open(digests, { keys: [{ key, value: "CRC32C" }] });
      const told: string[] = [];
      all.world.hear((text) => told.push(text));
      const bits = { headerDigest: key === "HeaderDigest", dataDigest: key === "DataDigest" };
      const probe = all.world.command(all.adapter, blocksCdb(0x28, 0, 8), { room: 4096 }).queue();
      await all.world.world.settle();
      const [target] = all.targets;
      // The tag of the first command; the header that asked for it had a digest behind it.
      const fields = { opcode: Opcode.dataIn, flags: 0, itt: 0x10000, ttt: NO_TAG };
      const bytes = pduOf(DataIn, fields, Buffer.alloc(4096, 9), bits);
      bytes[at] ^= 1;
      target.give(bytes);
      await all.world.world.settle();
      expect([probe.ends, probe.outcome, target.closes]).to.deep.equal([1, "transportDisrupted/0", 1]);
      expect(told.join()).to.match(/^the digest of a .* is wrong$/);
    });
  }

  it("gives no more residual than there was room, and what has not come is residual whatever the target says", async () => {
    const { world, adapter, targets } = await open();
    for (const [flags, residual, sent] of [
      [0, 0, 512],
      [2, 0xffffffff, 1024],
      [4, 77, 4096],
    ]) {
      const probe = world.command(adapter, blocksCdb(0x28, 0, 8), { room: 4096 }).queue();
      await world.world.settle();
      const { itt } = targets[0].take().fields;
      const status = { opcode: Opcode.dataIn, flags: FINAL | STATUS | flags, itt, ttt: NO_TAG, residual };
      targets[0].put(DataIn, status, Buffer.alloc(sent, 5));
      await world.world.settle();
      expect([probe.ends, probe.outcome, probe.command.residual]).to.deep.equal([1, "ok/0", 4096 - sent]);
    }
  });

  it("ends a command that the target could not complete with an error, and keeps the connection", async () => {
    const { world, adapter, targets } = await open();
    const probe = world.command(adapter, [0]).queue();
    await world.world.settle();
    targets[0].put(ScsiResponse, { opcode: Opcode.response, response: 1, itt: targets[0].take().fields.itt });
    await world.world.settle();
    expect([probe.ends, probe.outcome, targets.length]).to.deep.equal([1, "error/0", 1]);
  });

  it("excuses as many missing numbers as commands were to be ended, and answers to those, but no more", async () => {
    const { world, adapter, targets } = await open();
    const victims = [0, 1].map(() => world.command(adapter, [0]).queue());
    const outcome = adapter.reset("logicalUnitReset");
    await world.world.settle();
    const [first, second, reset] = [0, 1, 2].map(() => targets[0].take().fields.itt);
    targets[0].statSN += 1;
    targets[0].put(Answer, { opcode: Opcode.managementResponse, itt: reset });
    await world.world.settle();
    expect(await outcome).to.equal(0);
    expect(victims.map(({ outcome }) => outcome)).to.deep.equal(["reset/0", "reset/0"]);
    for (const itt of [first, second]) targets[0].put(ScsiResponse, { opcode: Opcode.response, itt });
    await world.world.settle();
    expect(targets[0].closes).to.equal(0);
    // The number that was left out comes late, once.
    const late = { opcode: Opcode.response, itt: first, statSN: 3 };
    targets[0].put(ScsiResponse, late, undefined, false);
    await world.world.settle();
    expect(targets[0].closes).to.equal(0);
    targets[0].put(ScsiResponse, late, undefined, false);
    await world.world.settle();
    expect(targets[0].closes).to.equal(1);
  });

  it("comes anew when neither a ping nor a function is answered", async () => {
    const { world, adapter, targets } = await open({ timeouts: { noopInterval: 0, reset: 1000 } });
    const probe = world.command(adapter, [0]).queue();
    const outcome = adapter.reset("logicalUnitReset");
    await world.world.pass(1001);
    expect(await outcome).to.equal("lost");
    expect([probe.ends, probe.outcome]).to.deep.equal([1, "transportDisrupted/0"]);
    await world.world.pass(2001);
    expect(targets.length).to.equal(2);
  });
});

describe("an iSCSI initiator that logs out of a hostile target", () => {
  it("bears R2Ts and data for what is not over, and ends in time without an answer", async () => {
    const { world, adapter, targets } = await open();
    const probe = world.command(adapter, blocksCdb(0x2a, 0, 32), { data: Buffer.alloc(16384, 1) }).queue();
    await world.world.settle();
    const { itt } = targets[0].take().fields;
    const fields = { opcode: Opcode.asynchronous, itt: NO_TAG, event: AsynchronousEvent.logoutRequested };
    targets[0].put(AsynchronousMessage, { ...fields, parameter3: 1 });
    await world.world.pass(501);
    expect(targets[0].asked.map(({ opcode }) => opcode)).to.deep.equal([Opcode.logout]);
    r2t({})(targets[0], itt);
    await world.world.settle();
    expect([targets[0].asked.length, targets[0].closes]).to.deep.equal([2, 0]);
    await world.world.pass(15_001);
    expect([probe.ends, probe.outcome, targets[0].closes]).to.deep.equal([1, "transportDisrupted/0", 1]);
  });

  it("bears an R2T for nothing while it closes", async () => {
    const { world, adapter, targets } = await open();
    const closing = adapter.close();
    await world.world.settle();
    r2t({})(targets[0], 0x10000);
    await world.settled(closing);
    expect(targets[0].closes).to.equal(1);
  });

  it("waits no longer than the replacement timeout where the target wants hours", async () => {
    const { world, targets } = await open();
    const fields = { opcode: Opcode.asynchronous, itt: NO_TAG, event: AsynchronousEvent.connectionDropped };
    targets[0].put(AsynchronousMessage, { ...fields, parameter2: 0xffff });
    await world.world.pass(119_000);
    expect(targets.length).to.equal(1);
    await world.world.pass(2000);
    expect(targets.length).to.equal(2);
  });
});

describe("an iSCSI initiator at a hostile login", () => {
  for (const [what, login, reason] of [
    ["a key beyond what was offered", { keys: [{ key: "MaxBurstLength", value: "16777215" }] }, /MaxBurstLength/],
    ["a digest that was not offered", { keys: [{ key: "HeaderDigest", value: "CRC32C" }] }, /HeaderDigest/],
    ["another ISID", { spoil: [9, 0xee] }, /another login/],
    ["another stage", { spoil: [1, 0x8b] }, /stage/],
    ["a transit to nowhere", { spoil: [1, 0x83] }, /transit/],
    ["a text that is none", { spoil: [48, 0x3d] }, /no key/],
    ["another PDU", { spoil: [0, Opcode.nopIn] }, /NOP-In before/],
    [
      "an address that is none",
      { status: LoginStatus.movedTemporarily, text: [{ key: "TargetAddress", value: "?" }] },
      /moved/,
    ],
  ] as const satisfies readonly (readonly [string, ScriptedLogin, RegExp])[]) {
    it(`fails after ${what}`, async () => {
      const failed = await open({}, login).then(
        () => "",
        (error: Error) => error.message,
      );
      expect(failed).to.match(reason);
    });
  }

  it("follows a target that has moved, but not for ever", async () => {
    const world = new InitiatorWorld();
    const targets = scripted(world, {
      status: LoginStatus.movedTemporarily,
      text: [{ key: "TargetAddress", value: "[::2]:77,1" }],
    });
    const failed = await world.open().then(
      () => "",
      (error: Error) => error.message,
    );
    expect(failed).to.equal("the target has moved");
    expect(targets.length).to.equal(9);
    expect(world.dialled.slice(0, 3)).to.deep.equal(["portal:3260", "::2:77", "::2:77"]);
  });
});

describe("what a target may ask an iSCSI initiator for", () => {
  it("a ping's answer, with its data and LUN", async () => {
    const { world, targets } = await open();
    const data = Buffer.from("are you there");
    targets[0].put(
      Answer,
      { opcode: Opcode.nopIn, itt: NO_TAG, ttt: 42, lun: Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0) },
      data,
      false,
    );
    await world.world.settle();
    const asked = targets[0].take();
    expect([asked.opcode, asked.fields.itt, asked.fields.ttt]).to.deep.equal([Opcode.nopOut, NO_TAG, 42]);
    expect([asked.data.toString(), asked.fields.lun[1]]).to.deep.equal([data.toString(), 3]);
  });

  it("a logout: what is under way ends first, what waits goes by the next session", async () => {
    const { world, adapter, targets } = await open();
    const before = world.command(adapter, [0]).queue();
    await world.world.settle();
    const { itt } = targets[0].take().fields;
    const message = {
      opcode: Opcode.asynchronous,
      itt: NO_TAG,
      event: AsynchronousEvent.logoutRequested,
      parameter3: 10,
    };
    targets[0].put(AsynchronousMessage, message);
    await world.world.settle();
    const after = world.command(adapter, [0]).queue();
    await world.world.settle();
    expect(targets[0].asked.length, "asked").to.equal(0);
    targets[0].put(ScsiResponse, { opcode: Opcode.response, itt });
    await world.world.settle();
    const logout = targets[0].take();
    expect(logout.opcode).to.equal(Opcode.logout);
    targets[0].put(Answer, { opcode: Opcode.logoutResponse, itt: logout.fields.itt });
    await world.world.pass(2001);
    expect([before.outcome, before.ends, after.ends]).to.deep.equal(["ok/0", 1, 0]);
    targets[1].put(ScsiResponse, { opcode: Opcode.response, itt: targets[1].take().fields.itt });
    await world.world.settle();
    expect([after.ends, after.outcome]).to.deep.equal([1, "ok/0"]);
  });

  it("a negotiation, in which there is one key to tell", async () => {
    const { world, targets } = await open();
    const message = {
      opcode: Opcode.asynchronous,
      itt: NO_TAG,
      event: AsynchronousEvent.negotiationRequested,
      parameter3: 3,
    };
    targets[0].put(AsynchronousMessage, message);
    await world.world.settle();
    const asked = targets[0].take();
    expect(asked.data.toString()).to.equal("MaxRecvDataSegmentLength=262144\0");
    targets[0].put(Answer, { opcode: Opcode.textResponse, itt: asked.fields.itt, ttt: NO_TAG });
    await world.world.pass(4000);
    expect(targets.length).to.equal(1);
  });

  it("to hear of a unit that has changed", async () => {
    const { world, adapter, targets } = await open();
    const events: AdapterEvent[] = [];
    adapter.listen(async (event) => events.push(event) > 0);
    const sense = Uint8Array.of(0, 18, 0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2a, 9, 0, 0, 0, 0);
    const lun = Uint8Array.of(0x41, 2, 0, 0, 0, 0, 0, 0);
    targets[0].put(
      AsynchronousMessage,
      { opcode: Opcode.asynchronous, itt: NO_TAG, event: AsynchronousEvent.scsi, lun },
      sense,
    );
    await world.world.settle();
    expect(events).to.deep.equal([
      { kind: "bus-changed" },
      { kind: "device-changed", address: { channel: 0, target: 0, lun: 258 } },
    ]);
  });
});
