// Task management: what each function ends, in whichever state it is, who is told, and what is answered.

import {
  AsynchronousEvent,
  AsynchronousMessage,
  ManagementFunctionCode as Code,
  CommandFlag,
  DataOut,
  FINAL,
  IMMEDIATE,
  LoginResponse,
  ManagementAnswer,
  ManagementRequest,
  ManagementResponseCode,
  Opcode,
  ReadyToTransfer,
  Reject,
  RejectReason,
  ScsiResponse,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { Status } from "@pvscsi/scsi";
import { hexBytes } from "@pvscsi/wire";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { identityOf, lunBytes, type Peer, TARGET, World } from "./peer.js";

const WRITE = { flags: FINAL | CommandFlag.write, expectedLength: 512 };

/** A world whose LUN 0 keeps its tasks; the peers have had their unit attentions. */
function held(): { world: World; unit: HoldingUnit; peers: Peer[] } {
  const unit = new HoldingUnit();
  const world = new World({}, {}, unit);
  const keys = { InitialR2T: "Yes" };
  return { world, unit, peers: [1, 2].map((isid) => world.loggedIn({ isid, keys })) };
}

function ask(peer: Peer, code: number, referencedTag = 0, lun = 0): void {
  const bytes = { opcode: Opcode.management | IMMEDIATE, flags: FINAL | code, itt: 0xaaaa, referencedTag };
  peer.put(ManagementRequest, { ...bytes, lun: lunBytes(lun) } as Partial<InstanceType<typeof ManagementRequest>>);
}

function takeAnswer(peer: Peer): number {
  const { fields } = peer.takeAs(Opcode.managementResponse, ManagementAnswer);
  expect(fields.itt).to.equal(0xaaaa);
  return fields.response;
}

function takeStatus(peer: Peer): [number, number] {
  const { fields } = peer.takeAs(Opcode.response, ScsiResponse);
  return [fields.itt, fields.status];
}

describe("task management of iSCSI", () => {
  it("aborts a task that is executed, and it is not answered", async () => {
    const { unit, peers } = held();
    const itt = peers[0].command([0x00]);
    const other = peers[0].command([0x00]);
    ask(peers[0], Code.abortTask, itt);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    unit.end();
    peers[0].world.work();
    expect(takeStatus(peers[0])).to.deep.equal([other, Status.good]);
    peers[0].expectNothing();
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("answers only when the task has really ended", async () => {
    const { unit, peers } = held();
    unit.stubborn = true;
    const itt = peers[0].command([0x00]);
    ask(peers[0], Code.abortTask, itt);
    peers[0].expectNothing();
    unit.end();
    peers[0].world.work();
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    peers[0].expectNothing();
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("aborts a task whose data is still coming, and drops the data", async () => {
    const { unit, peers } = held();
    const itt = peers[0].command(blocksCdb(0x2a, 0, 1), WRITE);
    const { ttt } = peers[0].takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    ask(peers[0], Code.abortTask, itt);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    peers[0].put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt }, Buffer.alloc(512));
    peers[0].expectNothing();
    expect(unit.held.length).to.equal(0);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("aborts a task that waits for its turn, and the turn goes by", async () => {
    const { unit, peers } = held();
    const first = peers[0].cmdSN;
    const itt = peers[0].command([0x00], { cmdSN: first + 1 });
    ask(peers[0], Code.abortTask, itt);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    peers[0].command([0x00], { cmdSN: first });
    peers[0].command([0x00], { cmdSN: first + 2 });
    expect(unit.held.length).to.equal(2);
    peers[1].connection.closed();
    await peers[0].close();
  });

  for (const [name, code, tag, lun, response] of [
    ["a task that is not there", Code.abortTask, 0x999, 0, ManagementResponseCode.taskDoesNotExist],
    ["the tasks of a LUN that is not there", Code.abortTaskSet, 0, 7, ManagementResponseCode.lunDoesNotExist],
    ["a LUN that is not there to be reset", Code.logicalUnitReset, 0, 7, ManagementResponseCode.lunDoesNotExist],
    ["a task to be taken over", Code.taskReassign, 0, 0, ManagementResponseCode.reassignNotSupported],
    ["ACA, which no task of ours brings about", Code.clearAca, 0, 0, ManagementResponseCode.functionNotSupported],
    ["a function that is none", 99, 0, 0, ManagementResponseCode.functionNotSupported],
  ] as const) {
    it(`answers ${name}`, async () => {
      const { peers } = held();
      ask(peers[0], code, tag, lun);
      expect(takeAnswer(peers[0])).to.equal(response);
      peers[1].connection.closed();
      await peers[0].close();
    });
  }

  it("tells whether tasks are there, and resets the nexus, by the functions of RFC 7144", async () => {
    const unit = new HoldingUnit();
    const peer = new World({}, {}, unit).loggedIn({ keys: { InitialR2T: "Yes", iSCSIProtocolLevel: "2" } });
    const queries = (tag: number): number[] =>
      [Code.queryTask, Code.queryTaskSet].map((code) => {
        ask(peer, code, tag);
        return takeAnswer(peer);
      });
    const { functionSucceeded, functionComplete, taskDoesNotExist } = ManagementResponseCode;
    expect(queries(1)).to.deep.equal([taskDoesNotExist, functionComplete]);
    const executed = peer.command([0x00]);
    expect(queries(executed)).to.deep.equal([functionSucceeded, functionSucceeded]);
    ask(peer, Code.nexusReset);
    expect(takeAnswer(peer)).to.equal(functionComplete);
    expect(unit.held.length).to.equal(0);
    peer.command([0x00]);
    expect(takeStatus(peer)[1]).to.equal(Status.checkCondition);
    const collecting = peer.command(blocksCdb(0x2a, 0, 1), WRITE);
    peer.takeAs(Opcode.readyToTransfer, ReadyToTransfer);
    expect(queries(collecting)).to.deep.equal([functionSucceeded, functionSucceeded]);
    const events = (): [number, string] => {
      ask(peer, Code.queryAsynchronousEvent);
      const { response, information } = peer.takeAs(Opcode.managementResponse, ManagementAnswer).fields;
      return [response, hexBytes(information)];
    };
    expect(events()).to.deep.equal([functionComplete, "00 00 00"]);
    unit.reset();
    expect(events(), "one").to.deep.equal([functionSucceeded, "16 29 03"]);
    peer.world.target.add(1, new HoldingUnit());
    peer.world.work();
    peer.takeAs(Opcode.asynchronous, AsynchronousMessage);
    expect(events(), "two, and they stay").to.deep.equal([functionSucceeded, "26 29 03"]);
    await peer.close();
  });

  it("has the functions of RFC 7144 only where that was agreed on", async () => {
    const { peers } = held();
    ask(peers[0], Code.queryTask, 1);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionNotSupported);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("takes 64 functions that wait for tasks, and no more", async () => {
    const { unit, peers } = held();
    unit.stubborn = true;
    peers[0].command([0x00]);
    for (let i = 0; i < 64; i++) ask(peers[0], Code.abortTaskSet);
    peers[0].expectNothing();
    ask(peers[0], Code.abortTaskSet);
    expect(peers[0].takeAs(Opcode.reject, Reject).fields.reason).to.equal(RejectReason.immediateCommandReject);
    unit.end();
    peers[0].world.work();
    for (let i = 0; i < 64; i++) expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("does not find a task at another LUN than its own", async () => {
    const { world, unit, peers } = held();
    const itt = peers[0].command([0x00]);
    world.target.add(1, new HoldingUnit());
    world.work();
    peers[0].takeAs(Opcode.asynchronous, AsynchronousMessage);
    ask(peers[0], Code.abortTask, itt, 1);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.taskDoesNotExist);
    expect(unit.held.length).to.equal(1);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("ends the initiator's own tasks by ABORT TASK SET, and nobody else's", async () => {
    const { unit, peers } = held();
    peers[0].command([0x00]);
    peers[0].command(blocksCdb(0x2a, 0, 1), WRITE);
    peers[0].takeAs(Opcode.readyToTransfer, ReadyToTransfer);
    const others = peers[1].command([0x00]);
    ask(peers[0], Code.abortTaskSet);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    peers[0].expectNothing();
    unit.end();
    peers[0].world.work();
    expect(takeStatus(peers[1])).to.deep.equal([others, Status.good]);
    peers[1].connection.closed();
    await peers[0].close();
  });

  for (const [name, code] of [
    ["CLEAR TASK SET", Code.clearTaskSet],
    ["LOGICAL UNIT RESET", Code.logicalUnitReset],
    ["TARGET WARM RESET", Code.targetWarmReset],
  ] as const) {
    for (const tellsAborted of [false, true]) {
      const how = tellsAborted
        ? "are told so by TASK ABORTED, with TAS"
        : "are not answered, but have a unit attention";
      it(`ends everybody's tasks by ${name}; the others' ${how}`, async () => {
        const { unit, peers } = held();
        unit.rules = { ...unit.rules, tellsAborted };
        peers[0].command([0x00]);
        const executed = peers[1].command([0x00]);
        const collecting = peers[1].command(blocksCdb(0x2a, 0, 1), WRITE);
        peers[1].takeAs(Opcode.readyToTransfer, ReadyToTransfer);
        ask(peers[0], code);
        expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
        peers[0].expectNothing();
        if (tellsAborted) {
          expect([takeStatus(peers[1]), takeStatus(peers[1])]).to.have.deep.members([
            [executed, Status.taskAborted],
            [collecting, Status.taskAborted],
          ]);
        } else peers[1].expectNothing();
        expect(unit.held.length).to.equal(0);
        const next = peers[1].command([0x00]);
        const told = !(tellsAborted && code === Code.clearTaskSet);
        if (told) expect(takeStatus(peers[1])).to.deep.equal([next, Status.checkCondition]);
        else expect(unit.held.length).to.equal(1);
        peers[1].connection.closed();
        await peers[0].close();
      });
    }
  }

  it("ends all sessions by TARGET COLD RESET, its own behind the answer; the others are told so", async () => {
    const { peers } = held();
    ask(peers[0], Code.targetColdReset);
    expect(takeAnswer(peers[0])).to.equal(ManagementResponseCode.functionComplete);
    expect([peers[0].ended, peers[1].ended]).to.deep.equal([true, true]);
    const { event } = peers[1].takeAs(Opcode.asynchronous, AsynchronousMessage).fields;
    expect(event).to.equal(AsynchronousEvent.sessionDropped);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("lets another session end a task while its data comes in, and the pages are not written any more", async () => {
    const { world, peers } = held();
    const third = world.loggedIn({ isid: 3, keys: { InitialR2T: "Yes" } });
    const itt = third.command(blocksCdb(0x2a, 0, 1), WRITE);
    const { ttt } = third.takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    const bytes: Buffer[] = [];
    const { give } = third;
    third.give = (...parts) => {
      bytes.push(...parts.map((part) => Buffer.from(part)));
      return third;
    };
    third.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt }, Buffer.alloc(512, 7));
    third.give = give;
    third.give(bytes[0].subarray(0, 300));
    expect(world.portal.pages.taken).to.equal(1);
    ask(peers[0], Code.logicalUnitReset);
    expect(world.portal.pages.taken).to.equal(0);
    third.give(bytes[0].subarray(300));
    third.expectNothing();
    for (const peer of [third, peers[1]]) peer.connection.closed();
    await peers[0].close();
  });

  it("does not find a command whose immediate data is still coming in: that begins behind the reset", async () => {
    const { world, peers } = held();
    const third = world.loggedIn({ isid: 3, keys: { InitialR2T: "No" } });
    const bytes: Buffer[] = [];
    const { give } = third;
    third.give = (...parts) => {
      bytes.push(...parts.map((part) => Buffer.from(part)));
      return third;
    };
    third.command(blocksCdb(0x2a, 0, 1), { ...WRITE, data: Buffer.alloc(512, 7) });
    third.give = give;
    third.give(bytes[0].subarray(0, 300));
    ask(peers[0], Code.logicalUnitReset);
    third.give(bytes[0].subarray(300));
    expect(takeStatus(third)[1]).to.equal(Status.checkCondition);
    for (const peer of [third, peers[1]]) peer.connection.closed();
    await peers[0].close();
  });

  it("tells tasks that end as their LUN is taken away", async () => {
    const { world, peers } = held();
    const itt = peers[0].command([0x00]);
    await world.target.remove(0);
    world.work();
    expect(peers[0].take().opcode).to.equal(Opcode.asynchronous);
    expect(takeStatus(peers[0])).to.deep.equal([itt, Status.taskAborted]);
    peers[1].connection.closed();
    await peers[0].close();
  });
});

describe("the commands of an iSCSI session", () => {
  it("are as many as its portal group says, from the login on", async () => {
    const world = new World();
    const named = `${TARGET}-deep`;
    const others = { target: world.target, authentication: null };
    world.portal.add({ name: named, groups: [{ tag: 1, depth: 4, initiators: new Map(), others }] });
    const peer = world.connect();
    const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
    peer.putLogin(flags, identityOf({ target: named }), { target: named });
    const { fields } = peer.takeAs(Opcode.loginResponse, LoginResponse);
    expect((fields.maxCmdSN - fields.expCmdSN) >>> 0).to.equal(3);
    peer.command([0x00]);
    const answer = peer.takeAs(Opcode.response, ScsiResponse).fields;
    expect((answer.maxCmdSN - answer.expCmdSN) >>> 0).to.equal(3);
    await peer.close();
  });

  it("are each answered where a LUN takes fewer: those beyond end with TASK SET FULL, a write before its data is asked for", async () => {
    const unit = new HoldingUnit(2);
    const peer = new World({}, {}, unit).loggedIn({ keys: { InitialR2T: "Yes" } });
    const taken = [peer.command([0x00]), peer.command([0x00])];
    const beyond = [peer.command([0x00]), peer.command(blocksCdb(0x2a, 0, 1), WRITE)];
    for (const itt of beyond) expect(takeStatus(peer)).to.deep.equal([itt, Status.taskSetFull]);
    for (const itt of taken) {
      unit.end();
      peer.world.work();
      expect(takeStatus(peer)).to.deep.equal([itt, Status.good]);
    }
    await peer.close();
  });
});

describe("the task attributes of iSCSI", () => {
  const attribute = (code: number) => ({ flags: FINAL | code });

  for (const [name, code] of [
    ["untagged", 0],
    ["SIMPLE", 1],
  ] as const) {
    it(`has no order for ${name}`, async () => {
      const { unit, peers } = held();
      for (const peer of peers) peer.command([0x00], attribute(code));
      expect(unit.held.length).to.equal(2);
      peers[1].connection.closed();
      await peers[0].close();
    });
  }

  it("lets ORDERED wait for a write of another session whose data is coming, and HEAD OF QUEUE not", async () => {
    const { unit, peers } = held();
    const write = peers[0].command(blocksCdb(0x2a, 0, 1), WRITE);
    const { ttt } = peers[0].takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    peers[1].command([0x12], attribute(2));
    expect(unit.seen.length).to.equal(0);
    peers[1].command([0x03], attribute(3));
    peers[0].put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt: write, ttt }, Buffer.alloc(512));
    expect(unit.seen.map(({ cdb }) => cdb[0])).to.deep.equal([0x03, 0x2a]);
    for (let i = 0; i < 2; i++) unit.end();
    expect(unit.seen.map(({ cdb }) => cdb[0])).to.deep.equal([0x03, 0x2a, 0x12]);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("asks for the data of a write while it waits, and executes it in its turn", async () => {
    const { unit, peers } = held();
    peers[0].command([0x00], attribute(2));
    const write = peers[1].command(blocksCdb(0x2a, 0, 1), WRITE);
    const { ttt } = peers[1].takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    peers[1].put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt: write, ttt }, Buffer.alloc(512));
    expect(unit.seen.length).to.equal(1);
    unit.end();
    expect(unit.seen.length).to.equal(2);
    peers[1].connection.closed();
    await peers[0].close();
  });

  it("goes on behind a write whose data was wrong", async () => {
    const { unit, peers } = held();
    const write = peers[0].command(blocksCdb(0x2a, 0, 1), WRITE);
    const { ttt } = peers[0].takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    peers[1].command([0x00], attribute(2));
    peers[0].put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt: write, ttt, dataSN: 7 }, Buffer.alloc(512));
    expect(takeStatus(peers[0])).to.deep.equal([write, Status.checkCondition]);
    expect(unit.held.length).to.equal(1);
    peers[1].connection.closed();
    await peers[0].close();
  });

  for (const code of [4, 5, 7]) {
    it(`refuses attribute ${code}`, async () => {
      const { unit, peers } = held();
      const itt = peers[0].command([0x00], attribute(code));
      expect(takeStatus(peers[0])).to.deep.equal([itt, Status.checkCondition]);
      expect(unit.seen.length).to.equal(0);
      peers[1].connection.closed();
      await peers[0].close();
    });
  }
});
