// Judges the request queues of the virtio-scsi device by the numbered rules of the specification's device part (D).

import { Status } from "@pvscsi/scsi";
import { CommandResponse, Feature, Response, ScsiConfig } from "@pvscsi/virtio";
import { expect } from "chai";
import { DISK, HELD, read10, ready, ScsiWorld, write10 } from "./scsi-world.js";

const INQUIRY = [0x12, 0, 0, 0, 36, 0];
const REPORT_LUNS = [0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const ANSWER = CommandResponse.size + 96;

describe("a virtio-scsi device: commands", () => {
  let world: ScsiWorld;
  beforeEach(() => {
    world = ready(new ScsiWorld().start());
  });

  it("D2 D3: answers with the status of the command, good or not, and OK", () => {
    expect(world.run({ cdb: INQUIRY, in: 36 })).to.deep.include({ response: Response.ok, status: 0, resid: 0 });
    const refused = world.run({ cdb: [0xff] });
    expect(refused).to.deep.include({ response: Response.ok, status: 2 });
    expect(refused.sense.slice(0, 3).concat(refused.sense[12])).to.deep.equal([0x70, 0, 5, 0x20]);
  });

  it("moves data both ways, straight from and to the driver's memory", () => {
    const out = Uint8Array.from({ length: 1024 }, (_, i) => i);
    expect(world.run({ cdb: write10(3, 2), out })).to.deep.include({ response: Response.ok, status: 0, resid: 0 });
    const answer = world.run({ cdb: read10(3, 2), in: 1024 });
    expect(answer.data).to.deep.equal(out);
    expect(answer.written).to.equal(ANSWER + 1024);
  });

  it("tells how much less there was than there is room for", () => {
    const answer = world.run({ cdb: INQUIRY, in: 100 });
    expect(answer).to.deep.include({ response: Response.ok, resid: 64, written: ANSWER + 36 });
  });

  for (const [what, words] of [
    ["a read", { cdb: read10(0, 2), in: 512 }],
    ["a write", { cdb: write10(0, 2), out: new Uint8Array(512) }],
    ["an allocation length", { cdb: INQUIRY, in: 10 }],
  ] as const) {
    it(`D4: answers OVERRUN when ${what} wants more than the buffers hold`, () => {
      expect(world.run(words)).to.deep.include({ response: Response.overrun, resid: 0 });
    });
  }

  it("D6: answers BAD_TARGET where there is no target, with all data left", () => {
    expect(world.run({ target: 1, in: 20 })).to.deep.include({ response: Response.badTarget, resid: 20, status: 0 });
  });

  it("answers for a missing LUN of a target that is there as a target does", () => {
    const inquiry = world.run({ lun: 77, cdb: INQUIRY, in: 36 });
    expect([inquiry.response, inquiry.data[0]]).to.deep.equal([Response.ok, 0x7f]);
    expect(world.run({ lun: 77 }).sense[12]).to.equal(0x25);
  });

  for (const status of [Status.busy, Status.reservationConflict, Status.taskSetFull]) {
    it(`D8 D9 D10 D11: leaves status ${status} to SCSI: no link has failed, no path would do better`, () => {
      world.run({ lun: HELD });
      world.command({ lun: HELD, tag: 4 });
      world.holding.end(() => status);
      expect(world.answers()).to.have.length(1).and.property("0").include({ response: Response.ok, status });
    });
  }

  it("D1: has both sizes as they were after a reset, whatever a driver has written", async () => {
    const { config } = world.device;
    const { senseSize, cdbSize } = ScsiConfig.offsets;
    for (const [offset, value] of [
      [senseSize, 252],
      [cdbSize, 16],
    ]) {
      expect(config.write(offset, Uint8Array.of(value, 0, 0, 0))).to.equal(null);
    }
    expect(config.sizes).to.deep.equal({ sense: 252, cdb: 16 });
    world.device.reset();
    expect(config.sizes).to.deep.equal({ sense: 96, cdb: 32 });
  });

  it("D21: has no protection information in its requests, as it does not offer T10_PI", () => {
    expect(world.device.features & (Feature.scsiT10Pi | Feature.scsiInOut)).to.equal(0n);
  });

  it("D12 D13: answers FAILURE when both directions have data", () => {
    const answer = world.run({ cdb: read10(0, 1), out: new Uint8Array(512), in: 512 });
    expect(answer).to.deep.include({ response: Response.failure });
    expect(world.failures).to.deep.equal([]);
  });

  for (const [name, bytes, response] of [
    ["peripheral addressing", [1, 0, 0, DISK, 0, 0, 0, 0], Response.ok],
    ["flat space addressing", [1, 0, 0x40, DISK, 0, 0, 0, 0], Response.ok],
    ["another bus", [1, 0, 0x01, DISK, 0, 0, 0, 0], Response.badTarget],
    ["logical unit addressing", [1, 0, 0x80, DISK, 0, 0, 0, 0], Response.badTarget],
    ["a second level", [1, 0, 0, DISK, 0, 1, 0, 0], Response.badTarget],
    ["another first byte", [2, 0, 0, DISK, 0, 0, 0, 0], Response.badTarget],
    ["zeros", [0, 0, 0, 0, 0, 0, 0, 0], Response.badTarget],
  ] as const) {
    it(`answers ${response} for a LUN in ${name}`, () => {
      expect(world.run({ lunBytes: bytes, cdb: INQUIRY, in: 36 }).response).to.equal(response);
    });
  }

  it("has the REPORT LUNS well-known logical unit", () => {
    const answer = world.run({ lunBytes: [0xc1, 1, 0, 0, 0, 0, 0, 0], cdb: REPORT_LUNS, in: 256 });
    expect(answer).to.deep.include({ response: Response.ok, status: 0 });
    expect([...answer.data.subarray(0, 24)]).to.deep.equal([
      0,
      0,
      0,
      16,
      ...new Array(13).fill(0),
      HELD,
      ...new Array(6).fill(0),
    ]);
  });

  it("has that unit's own answers: device type 1Eh, and no command of a disk", () => {
    const lunBytes = [0xc1, 1, 0, 0, 0, 0, 0, 0];
    const sense = (cdb: number[]) => world.run({ lunBytes, cdb }).sense.slice(12, 14);
    expect(world.run({ lunBytes, cdb: INQUIRY, in: 36 }).data[0]).to.equal(0x1e);
    expect(sense([0])).to.deep.equal([0x29, 0]);
    expect(sense([0])).to.deep.equal([]);
    expect(sense(read10(0, 1))).to.deep.equal([0x20, 0]);
    expect(world.run({ lunBytes: [0xc1, 2, 0, 0, 0, 0, 0, 0] }).response).to.equal(Response.badTarget);
  });

  it("D23: takes headers that are cut anywhere", () => {
    const header = world.bytes(51);
    header.set([1, 0, 0x40, DISK]);
    header.set(INQUIRY, 19);
    const answer = world.bytes(ANSWER);
    const data = world.bytes(36);
    const cut = (bytes: Uint8Array, ...at: number[]) =>
      at.map((from, i) => bytes.subarray(from, at[i + 1] ?? bytes.length));
    world.send(2, cut(header, 0, 1, 7, 20, 50), [...cut(answer, 0, 3, 107), data], { tag: 0, answer, data });
    expect(world.answers()[0]).to.deep.include({ response: Response.ok, status: 0 });
    expect(Buffer.from(data.subarray(8, 14)).toString()).to.equal("PVSCSI");
  });

  it("writes nothing but what it says it has written", () => {
    const answer = world.run({ cdb: INQUIRY, in: 200 });
    expect([...answer.data.subarray(36)]).to.deep.equal(new Array(164).fill(0));
    expect(answer.written).to.equal(ANSWER + 36);
  });
});
