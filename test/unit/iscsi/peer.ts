// Knows the initiator's side of iSCSI as bytes: builds what an initiator sends, and takes apart what it gets.

import {
  type Authentication,
  crc32c,
  FINAL,
  formatText,
  HEADER_SIZE,
  IMMEDIATE,
  IscsiConnection,
  IscsiPortal,
  type KeyValue,
  LoginRequest,
  LoginResponse,
  LoginStatus,
  NO_TAG,
  Opcode,
  PDUS,
  type PortalOptions,
  parseText,
  Stage,
  TRANSIT,
} from "@pvscsi/iscsi";
import { type LogicalUnit, MemoryStore, Target } from "@pvscsi/scsi";
import { type Cursor, ProbeHub, Simulation, type StructClass, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { HeldSink } from "../../support/held-sink.js";
import { memoryDisk } from "../../support/scsi-devices.js";

export const TARGET = "iqn.2026-11.localhost:test";
export const INITIATOR = "iqn.2026-11.localhost:peer";
/** Bytes of the disk at LUN 0. */
export const DISK_SIZE = 4 << 20;

/** A PDU's bytes: header fields by name, then the data and its padding; digests where they are on. */
export function pduOf<Record extends Cursor>(
  struct: StructClass<Record>,
  fields: Partial<Record>,
  data: Uint8Array = new Uint8Array(0),
  { headerDigest = false, dataDigest = false } = {},
): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE);
  Object.assign(new struct(bytes), { dataLength: data.length }, fields);
  const padded = Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
  return Buffer.concat([
    bytes,
    ...(headerDigest ? [digestOf(bytes)] : []),
    padded,
    ...(dataDigest && data.length > 0 ? [digestOf(padded)] : []),
  ]);
}

export function digestOf(bytes: Uint8Array): Buffer {
  const digest = Buffer.alloc(4);
  digest.writeUInt32LE(crc32c(bytes));
  return digest;
}

/** The eight bytes of a small LUN. */
export function lunBytes(lun: number): Uint8Array {
  return Uint8Array.of(lun < 256 ? 0 : 0x40 | (lun >>> 8), lun & 0xff, 0, 0, 0, 0, 0, 0);
}

/** Who may log in to the target, by which name where that is said. */
export interface TargetWishes {
  readonly alias?: string;
  readonly authentication?: Authentication | null;
  readonly initiators?: ReadonlyMap<string, Authentication | null>;
}

/** One PDU from the target. */
export interface Received {
  readonly opcode: number;
  /** As its table calls it. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly data: Buffer;
}

/** What a login may want to be different. */
export interface LoginWishes {
  readonly initiator?: string;
  readonly target?: string | null;
  readonly isid?: number;
  readonly cmdSN?: number;
  readonly keys?: Readonly<Record<string, string>>;
}

/** A portal of one target with a disk at LUN 0, in a simulated world. */
export class World {
  readonly simulation: Simulation;
  readonly store = new MemoryStore(DISK_SIZE);
  readonly target = new Target();
  readonly portal: IscsiPortal;
  /** Of its portals, by number. */
  addresses: readonly string[] = ["127.0.0.1:3260"];
  /** What the portal's people are told: `iscsi:refused` and `iscsi:end`. */
  readonly told: string[] = [];

  constructor(
    options: TargetWishes = {},
    portal: Partial<PortalOptions> = {},
    unit?: LogicalUnit | null,
    simulation = new Simulation(seededRandom(1)),
  ) {
    this.simulation = simulation;
    const probes = new ProbeHub();
    probes.listen((name, subject) => {
      if (name === "iscsi:refused" || name === "iscsi:end") this.told.push(String(subject));
    });
    const random = seededRandom(2);
    this.portal = new IscsiPortal({
      clock: this.simulation,
      scheduler: this.simulation,
      probes,
      unguessable: (size) => Uint8Array.from({ length: size }, () => random.below(256)),
      ...portal,
    });
    const { target } = this;
    if (unit !== null) target.add(0, unit ?? memoryDisk(this.store));
    const { alias, authentication = null, initiators = null } = options;
    const named = [...(initiators ?? [])].map(([who, proof]) => [who, { target, authentication: proof }] as const);
    const others = initiators === null ? { target, authentication } : null;
    const groups = [{ tag: 1, initiators: new Map(named), others }];
    this.portal.add({ name: TARGET, ...(alias === undefined ? {} : { alias }), groups });
  }

  /** Comes to the portal of that number. */
  connect(portal = 0): Peer {
    return new Peer(this, portal);
  }

  /** A peer that is logged in, with the unit attention of power on taken away. */
  loggedIn(wishes: LoginWishes = {}, portal = 0): Peer {
    const peer = this.connect(portal);
    peer.login(wishes);
    if (wishes.target !== null) peer.takeAttention();
    return peer;
  }

  /** Lets everything that is ready happen, promises too; time stands still. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      this.work();
      await Promise.resolve();
    }
    this.work();
  }

  work(): void {
    while (this.simulation.busy) this.simulation.step();
  }

  /** Lets `milliseconds` go by. */
  async pass(milliseconds: number): Promise<void> {
    let over = false;
    this.simulation.after(milliseconds, {
      run: () => {
        over = true;
      },
    });
    while (!over) {
      this.simulation.step();
      await Promise.resolve();
    }
    await this.settle();
  }
}

/** One connection. */
export class Peer extends HeldSink {
  readonly world: World;
  readonly connection: IscsiConnection;
  cmdSN = 1;
  expStatSN = 0;
  digests = { headerDigest: false, dataDigest: false };
  /** The byte of the next command that is changed on its way. */
  spoil: number | null = null;
  #itt = 0x100;

  constructor(world: World, portal: number) {
    super();
    this.world = world;
    this.connection = new IscsiConnection(world.portal, this, { portal, addresses: world.addresses });
  }

  /** Sends bytes to the target and lets it work. */
  give(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.connection.receive(part);
    this.world.work();
    return this;
  }

  /** Sends a PDU. */
  put<Record extends Cursor>(struct: StructClass<Record>, fields: Partial<Record>, data?: Uint8Array): this {
    return this.give(pduOf(struct, fields, data, this.digests));
  }

  newTag(): number {
    return this.#itt++;
  }

  /** The connection ends, and what it took must all be back. */
  async close(): Promise<void> {
    this.connection.closed();
    this.hold = false;
    this.deliver();
    await this.world.settle();
    expect(this.overs, "settled").to.equal(1);
    expect(this.world.portal.sessions.length, "sessions").to.equal(0);
    expect(this.world.portal.pages.taken, "pages").to.equal(0);
  }

  /** The next PDU from the target. */
  take(): Received {
    expect(this.received.length, "bytes from the target").to.be.at.least(HEADER_SIZE);
    const header = this.received.subarray(0, HEADER_SIZE);
    const length = header.readUIntBE(5, 3);
    const padded = (length + 3) & ~3;
    const { headerDigest, dataDigest } = this.digests;
    let at = HEADER_SIZE;
    if (headerDigest) {
      expect(this.received.subarray(at, at + 4).equals(digestOf(header)), "header digest").to.equal(true);
      at += 4;
    }
    const data = this.received.subarray(at, at + padded);
    expect(data.length, "data from the target").to.equal(padded);
    at += padded;
    if (dataDigest && length > 0) {
      expect(this.received.subarray(at, at + 4).equals(digestOf(data)), "data digest").to.equal(true);
      at += 4;
    }
    this.received = this.received.subarray(at);
    const opcode = header[0] & 0x3f;
    return { opcode, name: PDUS[opcode]?.name ?? "unknown", bytes: header, data: data.subarray(0, length) };
  }

  /** The next PDU, which has to be of that kind. */
  takeAs<Record extends Cursor>(opcode: number, struct: StructClass<Record>): { fields: Record; data: Buffer } {
    const { bytes, data, name } = this.take();
    expect(name).to.equal(PDUS[opcode].name);
    return { fields: new struct(bytes), data };
  }

  expectNothing(): void {
    expect(this.received.length, "bytes from the target").to.equal(0);
  }

  /** Sends a login request. */
  putLogin(flags: number, pairs: readonly KeyValue[], { isid = 1, cmdSN = 1 }: LoginWishes = {}): this {
    const bytes = pduOf(
      LoginRequest,
      { opcode: Opcode.login | IMMEDIATE, flags, itt: 1, cid: 0, cmdSN },
      formatText(pairs),
    );
    bytes[8] = 0x80;
    bytes[13] = isid;
    return this.give(bytes);
  }

  takeLogin(): {
    status: number;
    flags: number;
    keys: Record<string, string>;
    fields: InstanceType<typeof LoginResponse>;
  } {
    const { fields, data } = this.takeAs(Opcode.loginResponse, LoginResponse);
    const keys = Object.fromEntries(parseText(data).map(({ key, value }) => [key, value]));
    return { status: fields.status, flags: fields.flags, keys, fields };
  }

  /** Logs in without any authentication, by the operational stage alone; gives what was agreed on. */
  login(wishes: LoginWishes = {}): Record<string, string> {
    const { cmdSN = 1, keys = {} } = wishes;
    this.cmdSN = cmdSN;
    const flags = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
    this.putLogin(flags, [...identityOf(wishes), ...pairsOf(keys)], wishes);
    const { status, keys: agreed } = this.takeLogin();
    expect(status, "login status").to.equal(LoginStatus.success);
    this.digests = { headerDigest: agreed.HeaderDigest === "CRC32C", dataDigest: agreed.DataDigest === "CRC32C" };
    return agreed;
  }

  /** Takes the unit attention of power on away from LUN 0. */
  takeAttention(): void {
    this.command([0x00]);
    expect(this.take().bytes[3], "status").to.equal(0x02);
  }

  /** Sends a command in its turn; gives its tag. */
  command(
    cdb: readonly number[],
    wishes: {
      readonly flags?: number;
      readonly expectedLength?: number;
      readonly lun?: number;
      readonly data?: Uint8Array;
      readonly cmdSN?: number;
      readonly itt?: number;
      readonly immediate?: boolean;
    } = {},
  ): number {
    const { flags = FINAL, expectedLength = 0, lun = 0, data, itt = this.newTag(), immediate = false } = wishes;
    const cmdSN = wishes.cmdSN ?? (immediate ? this.cmdSN : this.cmdSN++);
    const bytes = pduOf(
      PDUS[Opcode.command].struct,
      { opcode: Opcode.command | (immediate ? IMMEDIATE : 0), flags, itt, expectedLength, cmdSN } as object,
      data,
      { headerDigest: false, dataDigest: this.digests.dataDigest },
    );
    bytes.set(lunBytes(lun), 8);
    bytes.set(cdb, 32);
    if (this.spoil !== null) bytes[this.spoil] ^= 1;
    this.spoil = null;
    const header = bytes.subarray(0, HEADER_SIZE);
    const digest = this.digests.headerDigest ? digestOf(header) : Buffer.alloc(0);
    this.give(Buffer.concat([header, digest, bytes.subarray(HEADER_SIZE)]));
    return itt;
  }
}

export function identityOf({ initiator = INITIATOR, target = TARGET }: LoginWishes): KeyValue[] {
  return [
    { key: "InitiatorName", value: initiator },
    target === null ? { key: "SessionType", value: "Discovery" } : { key: "TargetName", value: target },
  ];
}

export function pairsOf(keys: Readonly<Record<string, string>>): KeyValue[] {
  return Object.entries(keys).map(([key, value]) => ({ key, value }));
}

export const NONE = NO_TAG;
