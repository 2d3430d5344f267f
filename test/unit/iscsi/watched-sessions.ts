// Knows sessions beside those that mean harm: one must not notice them at all, the other must be answered all the same.

import {
  CommandFlag,
  FINAL,
  IMMEDIATE,
  ManagementAnswer,
  ManagementFunctionCode,
  ManagementRequest,
  ManagementResponseCode,
  Opcode,
  STATUS,
} from "@pvscsi/iscsi";
import type { Random } from "@pvscsi/wire";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { HOSTILE_TARGET } from "./hostile-login.js";
import { lunBytes, type Peer, pduOf, type Received, type World } from "./peer.js";

const BLOCKS = 64;
const BLOCK = 512;
const WRITE = FINAL | CommandFlag.write;
const READ = FINAL | CommandFlag.read;

/** Writes and reads a disk of its own, and knows every byte of it. */
export class Watched {
  readonly #peer: Peer;
  readonly #random: Random;
  readonly #bytes = new Uint8Array(BLOCKS * BLOCK);

  constructor(world: World, random: Random) {
    this.#peer = world.loggedIn({ initiator: "iqn.2026-11.localhost:watched", keys: { InitialR2T: "Yes" } });
    this.#random = random;
  }

  /** A write, and a read of everything: each is answered at once, and right. */
  look(): void {
    const lba = this.#random.below(BLOCKS);
    const data = new Uint8Array(BLOCK).fill(this.#random.below(256));
    this.#bytes.set(data, lba * BLOCK);
    this.#peer.command(blocksCdb(0x2a, lba, 1), { flags: WRITE, expectedLength: BLOCK, data });
    const written = this.#take();
    expect(written.opcode, "the watched session's write").to.equal(Opcode.response);
    expect(written.bytes[3], "its status").to.equal(0);
    const length = this.#bytes.length;
    this.#peer.command(blocksCdb(0x28, 0, BLOCKS), { flags: READ, expectedLength: length });
    const pieces: Buffer[] = [];
    for (let last = false; !last; ) {
      const piece = this.#take();
      expect(piece.opcode, "the watched session's read").to.equal(Opcode.dataIn);
      pieces.push(piece.data);
      last = (piece.bytes[1] & STATUS) !== 0;
    }
    expect(Buffer.concat(pieces).equals(this.#bytes), "what the watched session reads").to.equal(true);
  }

  #take(): Received {
    expect(this.#peer.destroyed || this.#peer.ended, "the watched session has ended").to.equal(false);
    return this.#peer.take();
  }

  async leave(): Promise<void> {
    await over(this.#peer);
  }
}

/** Shares the target with those who mean harm: they may reserve, reset and overwrite its disks, and it hears of that. */
export class Bystander {
  readonly #world: World;
  #peer: Peer;
  #logins = 0;

  constructor(world: World) {
    this.#world = world;
    this.#peer = this.#logIn();
  }

  look(): void {
    if (this.#peer.destroyed || this.#peer.ended) {
      // Nobody else's fault ends a session, but TARGET COLD RESET does: all of the target's.
      expect(this.#world.told.some((line) => line.includes("TARGET COLD RESET"))).to.equal(true);
      this.#world.told.length = 0;
      this.#peer.connection.closed();
      this.#peer = this.#logIn();
    }
    if (this.#read()) return;
    // One with ORDERED or HEAD OF QUEUE whose data does not come keeps all others waiting (SAM-5, task attributes): a reset has to help.
    const { cmdSN } = this.#peer;
    const fields = { opcode: Opcode.management | IMMEDIATE, flags: FINAL | ManagementFunctionCode.logicalUnitReset };
    const bytes = pduOf(ManagementRequest, { ...fields, itt: this.#peer.newTag(), cmdSN });
    bytes.set(lunBytes(1), 8);
    this.#peer.give(bytes);
    const { response } = this.#peer.takeAs(Opcode.managementResponse, ManagementAnswer).fields;
    expect(response, "the bystander's reset").to.equal(ManagementResponseCode.functionComplete);
    expect(this.#read(), "the bystander is answered after its reset").to.equal(true);
  }

  /** A read; false where it is not answered. */
  #read(): boolean {
    const itt = this.#peer.command(blocksCdb(0x28, 0, 1), { lun: 1, flags: READ, expectedLength: BLOCK });
    while (this.#peer.received.length > 0) {
      const { opcode, bytes } = this.#peer.take();
      if (opcode === Opcode.asynchronous) continue;
      expect(opcode, "what the bystander is answered").to.be.oneOf([Opcode.response, Opcode.dataIn]);
      expect(bytes.readUInt32BE(16), "whose answer it is").to.equal(itt);
      return true;
    }
    return false;
  }

  async leave(): Promise<void> {
    await over(this.#peer);
  }

  #logIn(): Peer {
    this.#logins += 1;
    const peer = this.#world.connect();
    peer.login({ initiator: "iqn.2026-11.localhost:bystander", target: HOSTILE_TARGET, isid: this.#logins % 200 });
    return peer;
  }
}

async function over(peer: Peer): Promise<void> {
  peer.connection.closed();
  peer.deliver();
  await peer.world.settle();
  expect(peer.overs, "times that the session was over").to.equal(1);
}
