// A target with several portal groups: which one an initiator comes to, what it finds there by its name, and which sessions it has.

import {
  type Admission,
  Answer,
  FINAL,
  IMMEDIATE,
  type IscsiPortalGroup,
  LoginRequest,
  LoginStatus,
  Opcode,
  parseText,
  Request,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { createDisk, type LogicalUnit, MemoryStore, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { INITIATOR, identityOf, NONE, type Peer, pduOf, TARGET, World } from "./peer.js";

const PATHS = `${TARGET}-paths`;
const READER = "iqn.2026-11.localhost:reader";
const STRANGER = "iqn.2026-11.localhost:stranger";

function targetWith(port: number, luns: readonly (readonly [number, LogicalUnit, boolean])[]): Target {
  const target = new Target("0:0", [port]);
  for (const [lun, unit, isProtected] of luns) target.add(lun, unit, { protected: isProtected });
  return target;
}

/** Group 4 at portal 0 for those with a name, group 9 at portals 1 and 2 for all; one disk, which READER may only read at LUN 3. */
function pathsWorld(): World {
  const world = new World();
  world.addresses = ["127.0.0.1:3260", "127.0.0.1:3261", "[::1]:3262"];
  const disk = memoryDisk(new MemoryStore(1 << 20));
  const found = (target: Target): Admission => ({ target, authentication: null });
  const named = new Map([
    [INITIATOR, found(targetWith(1, [[0, disk, false]]))],
    [READER, found(targetWith(1, [[3, disk, true]]))],
  ]);
  const groups: IscsiPortalGroup[] = [
    { tag: 4, portals: [0], targetPort: 1, initiators: named, others: null },
    { tag: 9, portals: [1, 2], targetPort: 2, initiators: new Map(), others: found(targetWith(2, [[0, disk, false]])) },
  ];
  world.portal.add({ name: PATHS, groups });
  return world;
}

/** The addresses of the target that an initiator is told, as `ADDR:PORT,TAG`. */
function told(world: World, initiator: string): string[] {
  const peer = world.connect(2);
  peer.login({ initiator, target: null });
  peer.put(
    Request,
    { opcode: Opcode.text | IMMEDIATE, flags: FINAL, itt: 9, ttt: NONE },
    Buffer.from("SendTargets=All\0"),
  );
  const pairs = parseText(peer.takeAs(Opcode.textResponse, Answer).data);
  const from = pairs.findIndex(({ value }) => value === PATHS);
  peer.connection.closed();
  return from < 0 ? [] : pairs.slice(from + 1).map(({ value }) => value);
}

/** Logs in to the target by a portal; gives the status. */
function attempt(world: World, initiator: string, portal: number): number {
  const peer = world.connect(portal);
  const text = identityOf({ initiator, target: PATHS }).map(({ key, value }) => `${key}=${value}\0`);
  const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
  peer.give(pduOf(LoginRequest, { opcode: Opcode.login | IMMEDIATE, flags }, Buffer.from(text.join(""))));
  return peer.takeLogin().status;
}

/** The status of a write of one block at a LUN whose unit attention has been told. */
function write(peer: Peer, lun: number): number {
  peer.command([0x00], { lun });
  peer.take();
  peer.command(blocksCdb(0x2a, 0, 1), { lun, flags: FINAL | 0x20, expectedLength: 512, data: Buffer.alloc(512) });
  return peer.take().bytes[3];
}

describe("portal groups of an iSCSI target", () => {
  it("are told with every portal that leads to them, to whoever may log in there", () => {
    const world = pathsWorld();
    const open = ["127.0.0.1:3261,9", "[::1]:3262,9"];
    expect(told(world, INITIATOR)).to.deep.equal(["127.0.0.1:3260,4", ...open]);
    expect(told(world, STRANGER)).to.deep.equal(open);
  });

  it("are found by the portal that an initiator comes to, which is told the group's tag", async () => {
    const world = pathsWorld();
    for (const [portal, tag, port] of [
      [0, "4", 1],
      [1, "9", 2],
      [2, "9", 2],
    ] as const) {
      const peer = world.connect(portal);
      expect(peer.login({ target: PATHS }).TargetPortalGroupTag).to.equal(tag);
      expect(world.portal.sessions[0].nexus.identity.targetPort).to.equal(port);
      await peer.close();
    }
  });

  it("have admissions of their own, and no target is found by a portal that does not lead to it", () => {
    const world = pathsWorld();
    expect(attempt(world, STRANGER, 0)).to.equal(LoginStatus.authorizationFailure);
    expect(attempt(world, STRANGER, 1)).to.equal(LoginStatus.success);
    expect(attempt(world, INITIATOR, 3)).to.equal(LoginStatus.notFound);
  });

  it("show an initiator the LUNs of its name, perhaps only to be read", async () => {
    const world = pathsWorld();
    for (const [initiator, lun, status] of [
      [INITIATOR, 0, 0x00],
      [READER, 3, 0x02],
    ] as const) {
      const peer = world.connect();
      peer.login({ initiator, target: PATHS });
      expect(write(peer, lun), initiator).to.equal(status);
      await peer.close();
    }
    const peer = world.connect();
    peer.login({ initiator: READER, target: PATHS });
    peer.command([0x00], { lun: 0 });
    expect(peer.take().data.subarray(14, 16).toString("hex"), "no LUN 0").to.equal("2500");
    await peer.close();
  });

  it("have a session each with the same initiator port, and one session ends another of its own group alone", async () => {
    const world = pathsWorld();
    const [left, right] = [world.connect(0), world.connect(1)];
    left.login({ target: PATHS });
    right.login({ target: PATHS });
    expect(world.portal.sessions.length).to.equal(2);
    const again = world.connect(2);
    again.putLogin(TRANSIT | (Stage.operational << 2) | Stage.fullFeature, identityOf({ target: PATHS }));
    await world.settle();
    expect(again.takeLogin().status).to.equal(LoginStatus.success);
    expect([left.ended, right.destroyed, world.portal.sessions.length]).to.deep.equal([false, true, 2]);
    again.connection.closed();
    right.connection.closed();
    await world.settle();
    await left.close();
  });

  it("lead to a unit by ports of which one may be in standby, and a change at one is heard of at the other", async () => {
    const world = new World();
    const disk = createDisk({
      store: new MemoryStore(1 << 20),
      blockSize: 512,
      vendor: "PVSCSI",
      product: "TEST",
      revision: "0001",
      serial: "1",
      wwn: "5000c50012345678",
      portGroups: [
        { id: 1, name: "left", ports: [1] },
        { id: 2, name: "right", ports: [2], state: "standby" },
      ],
    });
    const target = new Target("0:0", [1, 2]);
    target.add(0, disk);
    const others = { target, authentication: null };
    const group = (tag: number): IscsiPortalGroup => {
      return { tag, portals: [tag - 1], targetPort: tag, initiators: new Map(), others };
    };
    world.portal.add({ name: PATHS, groups: [group(1), group(2)] });
    const [left, right] = [0, 1].map((portal) => world.loggedIn({ target: PATHS }, portal));
    const codes = (peer: Peer): string => {
      peer.command([0x00]);
      const { bytes, data } = peer.take();
      return bytes[3] === 0 ? "" : data.subarray(14, 16).toString("hex");
    };
    expect([codes(left), codes(right)]).to.deep.equal(["", "040b"]);
    const list = Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 2);
    const flags = FINAL | 0x20;
    right.command([0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0], { flags, expectedLength: 12, data: list });
    expect(right.take().bytes[3]).to.equal(0);
    expect([codes(left), codes(left), codes(right)]).to.deep.equal(["2a06", "040b", ""]);
    left.connection.closed();
    await world.settle();
    await right.close();
  });

  it("have tags of their own", () => {
    const { portal, target } = new World();
    const others = { target, authentication: null };
    const group = { tag: 1, initiators: new Map(), others };
    expect(() => portal.add({ name: PATHS, groups: [group, group] })).to.throw(/a tag in common/);
  });
});
