// What an initiator is told without having asked (RFC 7143 11.9): LUNs that come and go, the wish that it logs out, its session's end.

import {
  AsynchronousEvent,
  AsynchronousMessage,
  FINAL,
  IMMEDIATE,
  LogoutRequest,
  LogoutResponse,
  LogoutResponseCode,
  Opcode,
} from "@pvscsi/iscsi";
import { decodeSense, MemoryStore, SENSE } from "@pvscsi/scsi";
import { expect } from "chai";
import { memoryDisk } from "../../support/scsi-devices.js";
import { NONE, type Peer, TARGET, World } from "./peer.js";

function takeMessage(peer: Peer) {
  return peer.takeAs(Opcode.asynchronous, AsynchronousMessage);
}

describe("announcements of an iSCSI target", () => {
  it("tell of a LUN that comes, and of one that goes, by the sense data of a unit attention", async () => {
    const world = new World();
    const peer = world.loggedIn();
    for (const change of [() => world.target.add(3, memoryDisk(new MemoryStore(4096))), () => world.target.remove(3)]) {
      void change();
      world.work();
      const { fields, data } = takeMessage(peer);
      expect(fields).to.include({ event: AsynchronousEvent.scsi, itt: NONE, flags: FINAL });
      expect(data.readUInt16BE(0)).to.equal(data.length - 2);
      expect(decodeSense(data.subarray(2))).to.include(SENSE.reportedLunsChanged);
    }
    await peer.close();
  });

  it("have a StatSN each", async () => {
    const world = new World();
    const peer = world.loggedIn();
    world.target.add(3, memoryDisk(new MemoryStore(4096)));
    world.work();
    const { statSN } = takeMessage(peer).fields;
    peer.command([0x00]);
    expect(peer.take().bytes.readUInt32BE(24)).to.equal(statSN + 1);
    await peer.close();
  });

  it("tell of many LUNs once, where the last message has not left", async () => {
    const world = new World();
    const peer = world.loggedIn();
    peer.hold = true;
    for (let lun = 1; lun < 100; lun++) world.target.add(lun, memoryDisk(new MemoryStore(4096)));
    world.work();
    peer.hold = false;
    peer.deliver();
    world.work();
    takeMessage(peer);
    peer.expectNothing();
    world.target.add(100, memoryDisk(new MemoryStore(4096)));
    world.work();
    takeMessage(peer);
    await peer.close();
  });

  it("tell nobody of a target that has left it", async () => {
    const world = new World();
    const peer = world.loggedIn();
    peer.put(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 3 });
    await world.settle();
    peer.takeAs(Opcode.logoutResponse, LogoutResponse);
    world.target.add(3, memoryDisk(new MemoryStore(4096)));
    world.work();
    peer.expectNothing();
    await peer.close();
  });

  it("ask it to log out when its target goes away, and end its session where it does not", async () => {
    const world = new World();
    const peer = world.loggedIn();
    world.portal.remove(TARGET);
    world.work();
    expect(takeMessage(peer).fields).to.include({ event: AsynchronousEvent.logoutRequested, parameter3: 5 });
    await world.pass(4_000);
    expect([peer.ended, world.portal.sessions.length]).to.deep.equal([false, 1]);
    await world.pass(2_000);
    expect(takeMessage(peer).fields.event).to.equal(AsynchronousEvent.sessionDropped);
    expect([peer.ended, peer.destroyed, world.portal.sessions.length]).to.deep.equal([true, false, 0]);
    await peer.close();
  });

  it("let it log out when it is asked to, and that is all", async () => {
    const world = new World();
    const peer = world.loggedIn();
    peer.connection.askToLeave("the server ends");
    world.work();
    takeMessage(peer);
    peer.put(LogoutRequest, { opcode: Opcode.logout | IMMEDIATE, flags: FINAL, itt: 3 });
    await world.settle();
    const { response } = peer.takeAs(Opcode.logoutResponse, LogoutResponse).fields;
    expect([response, peer.ended]).to.deep.equal([LogoutResponseCode.closed, true]);
    await world.pass(10_000);
    peer.expectNothing();
    await peer.close();
  });

  it("are for sessions with a target: a discovery session that is to leave ends at once", async () => {
    const world = new World();
    const peer = world.connect();
    peer.login({ target: null });
    peer.connection.askToLeave("the server ends");
    expect(peer.destroyed).to.equal(true);
    peer.expectNothing();
    await peer.close();
  });
});
