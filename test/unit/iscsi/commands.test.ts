// Commands of a session: data both ways in every way it may come, order, residuals, and what breaks them.

import {
  CommandFlag,
  DataIn,
  DataOut,
  FINAL,
  Opcode,
  ReadyToTransfer,
  Reject,
  RejectReason,
  ResidualFlag,
  ScsiResponse,
  STATUS,
} from "@pvscsi/iscsi";
import { MemoryStore, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { memoryDisk } from "../../support/scsi-devices.js";
import { DISK_SIZE, NONE, type Peer, World } from "./peer.js";

const READ = FINAL | CommandFlag.read;
const WRITE = FINAL | CommandFlag.write;

function bytesOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8)) & 0xff));
}

/** Takes a SCSI Response: status, residual with its sign, sense key and codes. */
function takeResponse(peer: Peer): { status: number; residual: number; sense: string; itt: number } {
  const { fields, data } = peer.takeAs(Opcode.response, ScsiResponse);
  const signed = fields.flags & ResidualFlag.overflow ? -fields.residual : fields.residual;
  const sense = data.length > 0 ? `${data[4].toString(16)}/${data[14].toString(16)}/${data[15].toString(16)}` : "";
  return { status: fields.status, residual: signed, sense, itt: fields.itt };
}

/** Reads blocks with one command and gives the bytes that came, in whatever PDUs. */
function readBack(peer: Peer, lba: number, blocks: number): { bytes: Buffer; pdus: number } {
  peer.command(blocksCdb(0x28, lba, blocks), { flags: READ, expectedLength: blocks * 512 });
  const bytes = Buffer.alloc(blocks * 512);
  for (let pdus = 1; ; pdus++) {
    const { fields, data } = peer.takeAs(Opcode.dataIn, DataIn);
    expect(fields.dataSN).to.equal(pdus - 1);
    bytes.set(data, fields.bufferOffset);
    if ((fields.flags & STATUS) === 0) continue;
    expect(fields.status).to.equal(Status.good);
    peer.expectNothing();
    return { bytes, pdus };
  }
}

/** Answers R2Ts with Data-Outs of at most `most` bytes until none is there. */
function satisfy(peer: Peer, data: Buffer, most: number): number {
  let asked = 0;
  while (peer.received.length > 0 && (peer.received[0] & 0x3f) === Opcode.readyToTransfer) {
    const { fields } = peer.takeAs(Opcode.readyToTransfer, ReadyToTransfer);
    expect(fields.r2tSN).to.equal(asked++);
    const end = fields.bufferOffset + fields.desiredLength;
    for (let at = fields.bufferOffset, dataSN = 0; at < end; at += most, dataSN++) {
      const piece = data.subarray(at, Math.min(at + most, end));
      const flags = at + piece.length === end ? FINAL : 0;
      const { itt, ttt } = fields;
      peer.put(DataOut, { opcode: Opcode.dataOut, flags, itt, ttt, dataSN, bufferOffset: at }, piece);
    }
  }
  return asked;
}

describe("commands of an iSCSI session", () => {
  it("move immediate data out and bring it back with the status in the last Data-In", async () => {
    const peer = new World().loggedIn();
    const data = bytesOf(1024);
    peer.command(blocksCdb(0x2a, 3, 2), { flags: WRITE, expectedLength: 1024, data });
    expect(takeResponse(peer)).to.include({ status: Status.good, residual: 0 });
    expect(readBack(peer, 3, 2).bytes.equals(data)).to.equal(true);
    await peer.close();
  });

  for (const [name, keys, most, r2ts] of [
    ["all of it asked for", { InitialR2T: "Yes", ImmediateData: "No", MaxBurstLength: "16384" }, 8192, 4],
    ["several R2Ts at once", { InitialR2T: "Yes", MaxBurstLength: "8192", MaxOutstandingR2T: "4" }, 4096, 8],
    ["Data-Outs of 512 bytes", { InitialR2T: "Yes", MaxBurstLength: "65536" }, 512, 1],
  ] as const) {
    it(`take 64 KiB, ${name}`, async () => {
      const peer = new World().loggedIn({ keys });
      const data = bytesOf(65536);
      peer.command(blocksCdb(0x2a, 0, 128), { flags: WRITE, expectedLength: 65536 });
      expect(satisfy(peer, data, most)).to.equal(r2ts);
      expect(takeResponse(peer)).to.include({ status: Status.good, residual: 0 });
      expect(readBack(peer, 0, 128).bytes.equals(data)).to.equal(true);
      await peer.close();
    });
  }

  it("take immediate data, then data that nobody asked for, then what is asked for", async () => {
    const keys = { InitialR2T: "No", FirstBurstLength: "8192", MaxBurstLength: "16384" };
    const peer = new World().loggedIn({ keys });
    const data = bytesOf(40960);
    const [head, tail] = [data.subarray(0, 4096), data.subarray(4096, 8192)];
    const itt = peer.command(blocksCdb(0x2a, 0, 80), { flags: CommandFlag.write, expectedLength: 40960, data: head });
    peer.expectNothing();
    peer.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt: NONE, bufferOffset: 4096 }, tail);
    expect(satisfy(peer, data, 8192)).to.equal(2);
    expect(takeResponse(peer)).to.include({ status: Status.good, itt });
    expect(readBack(peer, 0, 80).bytes.equals(data)).to.equal(true);
    await peer.close();
  });

  it("bring data in pieces that the initiator can take, over many turns", async () => {
    const peer = new World().loggedIn({ keys: { MaxRecvDataSegmentLength: "512", MaxBurstLength: "2048" } });
    const { bytes, pdus } = readBack(peer, 0, 200);
    expect(bytes.equals(Buffer.alloc(200 * 512))).to.equal(true);
    expect(pdus).to.equal(200);
    await peer.close();
  });

  it("are the same with digests on both sides", async () => {
    const peer = new World().loggedIn({ keys: { HeaderDigest: "CRC32C,None", DataDigest: "CRC32C" } });
    expect(peer.digests).to.deep.equal({ headerDigest: true, dataDigest: true });
    peer.command(blocksCdb(0x2a, 3, 1), { flags: WRITE, expectedLength: 512, data: bytesOf(512) });
    expect(takeResponse(peer).status).to.equal(Status.good);
    expect(readBack(peer, 3, 1).bytes.equals(bytesOf(512))).to.equal(true);
    peer.command([0x12, 0, 0, 0, 37, 0], { flags: READ, expectedLength: 37 });
    expect(peer.take().data.length).to.equal(37);
    await peer.close();
  });

  for (const [name, wishes, status, residual] of [
    ["fewer bytes expected than a READ moves", { flags: READ, expectedLength: 512 }, Status.good, -512],
    ["more", { flags: READ, expectedLength: 2048 }, Status.good, 1024],
    ["none and no direction", { flags: FINAL, expectedLength: 0 }, Status.good, -1024],
  ] as const) {
    it(`tell the residual: ${name}`, async () => {
      const peer = new World().loggedIn();
      peer.command(blocksCdb(0x28, 0, 2), wishes);
      const { opcode, bytes } = peer.take();
      const fields = opcode === Opcode.dataIn ? new DataIn(bytes) : new ScsiResponse(bytes);
      const signed = fields.flags & ResidualFlag.overflow ? -fields.residual : fields.residual;
      expect([fields.status, signed]).to.deep.equal([status, residual]);
      await peer.close();
    });
  }

  it("that fail have moved nothing of what was expected, in whichever direction", async () => {
    const peer = new World().loggedIn();
    const behind = DISK_SIZE / 512;
    peer.command(blocksCdb(0x28, behind, 1), { flags: WRITE, expectedLength: 512, data: bytesOf(512) });
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, residual: 512 });
    peer.command(blocksCdb(0x28, behind, 1), { flags: READ, expectedLength: 512 });
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, residual: 512 });
    peer.command(blocksCdb(0x28, behind, 1), { flags: FINAL, expectedLength: 0 });
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, residual: 0 });
    await peer.close();
  });

  it("read nothing where the initiator has data for the device, and tell how much that was", async () => {
    const peer = new World().loggedIn();
    peer.command(blocksCdb(0x28, 0, 1), { flags: WRITE, expectedLength: 512, data: bytesOf(512) });
    expect(takeResponse(peer)).to.include({ status: Status.good, residual: -512 });
    peer.command(blocksCdb(0x2a, 0, 1), { flags: READ, expectedLength: 512 });
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, sense: "5/e/3" });
    expect(readBack(peer, 0, 1).bytes.equals(Buffer.alloc(512))).to.equal(true);
    await peer.close();
  });

  it("wait while there is no room for their data, and go on as answers leave", async () => {
    const keys = { InitialR2T: "Yes", MaxRecvDataSegmentLength: "65536" };
    const peer = new World({}, { limits: { bytesInFlight: 65536 } }).loggedIn({ keys });
    peer.hold = true;
    const first = peer.command(blocksCdb(0x28, 0, 128), { flags: READ, expectedLength: 65536 });
    peer.command(blocksCdb(0x2a, 0, 1), { flags: WRITE, expectedLength: 512 });
    peer.command([0x00]);
    expect(peer.world.portal.pages.taken).to.equal(1);
    peer.hold = false;
    peer.deliver();
    expect(peer.take().bytes.readUInt32BE(16)).to.equal(first);
    expect(takeResponse(peer).status).to.equal(Status.good);
    peer.world.work();
    expect(peer.take().opcode).to.equal(Opcode.readyToTransfer);
    await peer.close();
  });

  it("end with TASK SET FULL where all sessions together have too much, and their data is dropped", async () => {
    const world = new World({}, { limits: { bytesInAll: 2 * 65536 } });
    const other = world.loggedIn({ isid: 2 });
    const peer = world.loggedIn({ isid: 3 });
    other.hold = true;
    for (let i = 0; i < 2; i++) other.command(blocksCdb(0x28, 0, 1), { flags: READ, expectedLength: 512 });
    peer.command(blocksCdb(0x28, 0, 1), { flags: READ, expectedLength: 512 });
    expect(takeResponse(peer)).to.include({ status: Status.taskSetFull, residual: 512 });
    peer.command(blocksCdb(0x2a, 0, 1), { flags: WRITE, expectedLength: 512, data: bytesOf(512) });
    expect(takeResponse(peer)).to.include({ status: Status.taskSetFull });
    peer.command([0x00]);
    expect(takeResponse(peer).status).to.equal(Status.good);
    other.hold = false;
    other.deliver();
    peer.command(blocksCdb(0x2a, 0, 1), { flags: WRITE, expectedLength: 512, data: bytesOf(512) });
    expect(takeResponse(peer).status).to.equal(Status.good);
    other.connection.closed();
    await peer.close();
  });

  it("reach LUNs above 255, and hear by unit attention of one that comes", async () => {
    const world = new World();
    const peer = world.loggedIn();
    world.target.add(300, memoryDisk(new MemoryStore(1 << 20)));
    world.work();
    expect(peer.take().opcode).to.equal(Opcode.asynchronous);
    peer.command([0x00]);
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, sense: "6/3f/e" });
    peer.command([0x00], { lun: 300 });
    expect(takeResponse(peer).sense).to.equal("6/29/0");
    peer.command([0x25], { lun: 300, flags: READ, expectedLength: 8 });
    expect(peer.take().data.readUInt32BE(0)).to.equal((1 << 20) / 512 - 1);
    peer.command([0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0], { flags: READ, expectedLength: 24 });
    expect(peer.take().data.toString("hex")).to.equal("00000010000000000000000000000000412c000000000000");
    peer.command([0x00], { lun: 7 });
    expect(takeResponse(peer).sense).to.equal("5/25/0");
    await peer.close();
  });

  it("are refused where they want to move data both ways", async () => {
    const peer = new World().loggedIn();
    const flags = FINAL | CommandFlag.read | CommandFlag.write;
    peer.command(blocksCdb(0x28, 0, 1), { flags, expectedLength: 512 });
    expect(takeResponse(peer)).to.include({ status: Status.checkCondition, sense: "5/e/3" });
    await peer.close();
  });

  it("wait for their turn where a CmdSN is left out, and are ignored beyond the window or twice", async () => {
    const peer = new World({}, { limits: { depth: 4 } }).loggedIn();
    const first = peer.cmdSN;
    const later = peer.command(blocksCdb(0x2a, 0, 1), {
      flags: WRITE,
      expectedLength: 512,
      data: bytesOf(512),
      cmdSN: first + 1,
    });
    peer.command([0x00], { cmdSN: first + 1 });
    peer.command([0x00], { cmdSN: first + 4 });
    peer.command([0x00], { cmdSN: first - 1 });
    peer.expectNothing();
    const missing = peer.command([0x00], { cmdSN: first });
    expect(takeResponse(peer).itt).to.equal(missing);
    expect(takeResponse(peer)).to.include({ itt: later, status: Status.good });
    peer.expectNothing();
    peer.cmdSN = first + 2;
    expect(readBack(peer, 0, 1).bytes.equals(bytesOf(512))).to.equal(true);
    await peer.close();
  });

  for (const [name, change, sense] of [
    ["the wrong DataSN", { dataSN: 1 }, "b/47/5"],
    ["the wrong offset", { bufferOffset: 512 }, "b/c/d"],
    ["more than was asked for", { more: 512 }, "b/c/d"],
    ["less, and says that it is all", { more: -512 }, "b/c/d"],
    ["data that nobody asked for", { ttt: NONE }, "b/c/c"],
  ] as const) {
    it(`end where a Data-Out has ${name}`, async () => {
      const peer = new World().loggedIn({ keys: { InitialR2T: "Yes" } });
      const itt = peer.command(blocksCdb(0x2a, 0, 2), { flags: WRITE, expectedLength: 1024 });
      const { fields } = peer.takeAs(Opcode.readyToTransfer, ReadyToTransfer);
      const { more = 0, ...wrong } = change as { more?: number };
      const data = bytesOf(1024 + more);
      peer.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt: fields.ttt, ...wrong }, data);
      expect(takeResponse(peer)).to.include({ itt, status: Status.checkCondition, sense });
      peer.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt: fields.ttt }, bytesOf(1024));
      peer.expectNothing();
      expect(readBack(peer, 0, 2).bytes.equals(Buffer.alloc(1024))).to.equal(true);
      await peer.close();
    });
  }

  it("go on where a Data-Out has a tag that was never given", async () => {
    const peer = new World().loggedIn({ keys: { InitialR2T: "Yes" } });
    const itt = peer.command(blocksCdb(0x2a, 0, 1), { flags: WRITE, expectedLength: 512 });
    const { ttt } = peer.takeAs(Opcode.readyToTransfer, ReadyToTransfer).fields;
    peer.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt: ttt + 1 }, bytesOf(512));
    expect(peer.takeAs(Opcode.reject, Reject).fields.reason).to.equal(RejectReason.invalidPduField);
    peer.put(DataOut, { opcode: Opcode.dataOut, flags: FINAL, itt, ttt }, bytesOf(512));
    expect(takeResponse(peer)).to.include({ itt, status: Status.good });
    await peer.close();
  });
});
