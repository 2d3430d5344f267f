// Judges the virtio-scsi device by hostile inputs, by number (H): requests that are none, memory that changes, sizes,
// event buffers, queues that nobody set up, floods. What the ring itself may hold is in split-hostile.test.ts.

import { CommandResponse, Feature, type GuestMemory, ManagementSubtype, Response, ScsiConfig } from "@pvscsi/virtio";
import { expect } from "chai";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { RawRing } from "./raw-ring.js";
import { DISK, HELD, QUEUE_SIZE, read10, ready, ScsiWorld, write10 } from "./scsi-world.js";

const HEADER = 51;
const ANSWER = 108;
const REQUESTS = 2;
const INQUIRY = [0x12, 0, 0, 0, 36, 0];

describe("a virtio-scsi device and requests that are none", () => {
  let world: ScsiWorld;
  beforeEach(() => {
    world = ready(new ScsiWorld().start());
    world.run({ lun: HELD });
  });

  /** That the queue has stopped, once and for all, and that nothing else has. */
  function stopped(index: number, reason: string): void {
    expect(world.failures.map((failure) => failure.includes(reason))).to.deep.equal([true]);
    for (let i = 0; i < 100; i++) world.device.kick(index);
    world.settle();
    expect(world.failures).to.have.length(1);
    expect(world.run({ queue: 3, cdb: INQUIRY, in: 36 }).response).to.equal(Response.ok);
  }

  for (const [number, readable, writable] of [
    ["H11", 0, ANSWER],
    ["H11", 1, ANSWER],
    ["H11", 19, ANSWER],
    ["H11", HEADER - 1, ANSWER],
    ["H11", HEADER, 0],
    ["H12", HEADER, 1],
    ["H12", HEADER, 12],
    ["H12", HEADER, ANSWER - 1],
  ] as const) {
    it(`${number}: stops at a command with ${readable} bytes to read and ${writable} to write, and writes none`, () => {
      const [request, answer] = [world.bytes(readable), world.bytes(writable).fill(0xee)];
      world.send(REQUESTS, readable > 0 ? [request] : [], writable > 0 ? [answer] : []);
      stopped(REQUESTS, `headers of ${readable} and ${writable} bytes`);
      expect([...answer]).to.deep.equal(new Array(writable).fill(0xee));
      expect(world.answers()).to.deep.equal([]);
    });
  }

  for (const [number, what, type, readable, writable] of [
    ["H11", "a control request without a type", 0, 3, 1],
    ["H11", "a control request with the lower bytes of a type", 9, 3, 1],
    ["H11", "a task management request", 0, 23, 1],
    ["H11", "a notification query", 1, 15, 5],
    ["H12", "a task management request", 0, 24, 0],
    ["H12", "a notification query", 1, 16, 4],
    ["H12", "a notification subscription", 2, 16, 0],
  ] as const) {
    it(`${number}: stops at ${what} with ${readable} bytes to read and ${writable} to write`, () => {
      const request = world.bytes(readable);
      request[0] = type;
      world.send(0, [request], writable > 0 ? [world.bytes(writable)] : []);
      stopped(0, `a control request of type ${type} with ${readable} bytes`);
    });
  }

  it("H11: answers what was under way when a request broke the queue, and stops", async () => {
    world.command({ lun: HELD, tag: 5 });
    world.send(REQUESTS, [world.bytes(1)], [world.bytes(ANSWER)]);
    expect(world.failures).to.have.length(1);
    world.holding.end();
    expect(world.answers().map(({ tag, response }) => [tag, response])).to.deep.equal([[5, Response.ok]]);
    expect(await world.device.stop(REQUESTS)).to.be.greaterThan(0);
  });

  it("H1: stops a queue whose index jumped, once, without a word more", () => {
    const { areas, size } = world.queues[REQUESTS];
    new RawRing(areas, size).availIndex += size + 1;
    world.device.kick(REQUESTS);
    stopped(REQUESTS, "avail.idx");
  });

  it("H13: executes the CDB that it has copied, and finds the task by the tag that it has copied", () => {
    const header = world.bytes(HEADER);
    header.set([1, 0, 0x40, HELD, 0, 0, 0, 0, 5]);
    header.set(INQUIRY, 19);
    world.send(REQUESTS, [header], [world.bytes(ANSWER)], {
      tag: 5,
      answer: world.bytes(ANSWER),
      data: world.bytes(0),
    });
    header.fill(0xff);
    const [task] = world.holding.held;
    expect([...task.cdb.subarray(0, 6)]).to.deep.equal(INQUIRY);
    world.manage(ManagementSubtype.abortTask, { tag: 5 });
    expect(world.holding.held).to.deep.equal([]);
  });

  it("H14: copes with one piece of memory for the request, the answer and the data", () => {
    const header = world.bytes(512);
    header.set([1, 0, 0x40, DISK, 0, 0, 0, 0, 9]);
    header.set(read10(0, 1), 19);
    const answer = header.subarray(0, ANSWER);
    world.send(REQUESTS, [header.subarray(0, HEADER)], [answer, header], { tag: 9, answer, data: header });
    expect(world.answers()[0]).to.deep.include({ tag: 9, response: Response.ok, written: ANSWER + 512 });
  });

  it("H14: reads into its own rings without harm to another queue", () => {
    const { areas } = world.queues[REQUESTS];
    const written = world.run({ cdb: write10(0, 1), out: new Uint8Array(512).fill(0xff) });
    expect(written.status).to.equal(0);
    const header = world.bytes(HEADER);
    header.set([1, 0, 0x40, DISK]);
    header.set(read10(0, 1), 19);
    world.send(
      REQUESTS,
      [header],
      [world.bytes(ANSWER), areas.device, areas.descriptors.subarray(0, 128), areas.driver],
    );
    world.settle();
    world.device.kick(REQUESTS);
    stopped(REQUESTS, "avail.idx 65535");
  });
});

describe("a virtio-scsi device and sizes that its driver chose", () => {
  function started(sizes: { readonly cdb?: number; readonly sense?: number }): ScsiWorld {
    const world = new ScsiWorld();
    const { cdbSize, senseSize } = ScsiConfig.offsets;
    if (sizes.cdb !== undefined) expect(world.device.config.write(cdbSize, number(sizes.cdb))).to.equal(null);
    if (sizes.sense !== undefined) expect(world.device.config.write(senseSize, number(sizes.sense))).to.equal(null);
    return world.start();
  }

  /** Sends a command whose headers have these sizes, past the first unit attention; returns its answer's bytes. */
  function answer(world: ScsiWorld, cdb: readonly number[], cdbSize: number, senseSize: number): Uint8Array {
    const header = world.bytes(19 + cdbSize);
    header.set([1, 0, 0x40, DISK]);
    header.set(cdb.slice(0, cdbSize), 19);
    const answers = [0, 1].map(() => {
      const bytes = world.bytes(12 + senseSize).fill(0xee);
      world.send(REQUESTS, [header], [bytes]);
      world.settle();
      return bytes;
    });
    return answers[1];
  }

  it("H17: refuses a CDB of no bytes as SCSI does", () => {
    const response = new CommandResponse(answer(started({ cdb: 0 }), [], 0, 96));
    expect([response.response, response.status, response.bytes[12 + 2]]).to.deep.equal([Response.ok, 2, 5]);
  });

  it("H17: refuses a CDB that is longer than the driver said", () => {
    const response = new CommandResponse(answer(started({ cdb: 6 }), read10(0, 1), 6, 96));
    expect([response.response, response.status, response.bytes[12 + 2]]).to.deep.equal([Response.ok, 2, 5]);
  });

  it("H17: takes the longest CDB there can be", () => {
    const response = new CommandResponse(answer(started({ cdb: 255 }), [0], 255, 96));
    expect([response.response, response.status]).to.deep.equal([Response.ok, 0]);
  });

  for (const [senseSize, length] of [
    [0, 0],
    [5, 5],
    [65_535, 18],
  ]) {
    it(`H17: writes ${length} bytes of sense data where there is room for ${senseSize}`, () => {
      const bytes = answer(started({ sense: senseSize }), [0xff], 32, senseSize);
      const { senseLen, status } = new CommandResponse(bytes);
      expect([status, senseLen]).to.deep.equal([2, length]);
      expect([...bytes.subarray(12 + length)]).to.deep.equal(new Array(senseSize - length).fill(0));
    });
  }

  for (const [field, value] of [
    ["cdbSize", 256],
    ["cdbSize", 0xffff_ffff],
    ["senseSize", 65_536],
    ["senseSize", 0xffff_ffff],
  ] as const) {
    it(`H17: refuses a ${field} of ${value}, and keeps what it has`, () => {
      const { config } = new ScsiWorld().device;
      const before = { ...config.sizes };
      expect(config.write(ScsiConfig.offsets[field], number(value))).to.include(`of ${value}`);
      expect(config.sizes).to.deep.equal(before);
    });
  }

  it("H17: keeps all other fields, and its sizes, whatever else is written and wherever", () => {
    const { config } = new ScsiWorld().device;
    const before = new Uint8Array(36);
    config.read(0, before);
    for (const offset of [0, 4, 18, 22, 26, 28, 35, 36, 1000, 0xffff_ffff])
      config.write(offset, new Uint8Array(2).fill(1));
    for (const offset of [0, 4, 8, 12, 16, 28, 32, 36, 0xffff_ffff]) config.write(offset, number(7));
    const after = new Uint8Array(36);
    config.read(0, after);
    expect(after).to.deep.equal(before);
  });
});

describe("a virtio-scsi device and queues", () => {
  /** A driver's memory that does something each time the device looks for a buffer in it. */
  function meddling(world: ScsiWorld, meddle: () => void): GuestMemory {
    return {
      places(address, length, places) {
        meddle();
        return world.memory.places(address, length, places);
      },
    };
  }

  it("H18: gives event buffers back that are to be read or have too few bytes, and says with the next what it missed", () => {
    const world = ready(new ScsiWorld().start());
    world.send(1, [world.bytes(16)], []);
    world.send(1, [world.bytes(16)], [world.bytes(15)]);
    world.postEvents(2);
    world.targets.at(0).add(5, new HoldingUnit());
    world.targets.at(0).add(6, new HoldingUnit());
    expect(world.events().map(([event]) => event)).to.deep.equal([0x8000_0001, 1]);
    expect([world.shown(1), world.failures]).to.deep.equal([0, []]);
  });

  it("H18 H21: ends with a driver that brings one short event buffer after the other while it looks", () => {
    const world = ready(new ScsiWorld().start());
    let looks = 0;
    world.startQueue(1, (queue) => {
      const ring = new RawRing(queue.areas, queue.size);
      return meddling(world, () => {
        looks += 1;
        if (looks > 1000) throw new Error("the device looks forever");
        ring.offer(0);
      });
    });
    world.postEvents(1, 8);
    world.targets.at(0).add(5, new HoldingUnit());
    expect(looks).to.be.at.most(QUEUE_SIZE);
    expect(world.run({ cdb: INQUIRY, in: 36 }).response).to.equal(Response.ok);
  });

  it("H19: ignores kicks of queues that are not there, or not yet, or not any more", async () => {
    const world = new ScsiWorld();
    for (const index of [0, 1, 2, 3, 4, 1000, -1, 0xffff_ffff, Number.NaN]) world.device.kick(index);
    world.start();
    await world.device.stop(3);
    world.command({ queue: 3 });
    expect([world.answers(3), world.failures]).to.deep.equal([[], []]);
    expect(await world.device.stop(77)).to.equal(0);
  });

  for (const [name, features, expected] of [
    ["its flag", 0n, [0, 0]],
    ["EVENT_IDX", Feature.eventIndex, [0, 2]],
  ] as const) {
    it(`S8 S9: asks to be notified of the next request when it has taken all, by ${name}`, () => {
      const world = ready(new ScsiWorld().start(Feature.version1 | features));
      world.run({});
      const ring = new RawRing(world.queues[REQUESTS].areas, QUEUE_SIZE);
      expect([ring.usedFlags, ring.availEvent]).to.deep.equal(expected);
    });
  }

  it("S10: makes nothing of kicks for nothing", () => {
    const world = ready(new ScsiWorld().start());
    world.command({ lun: HELD, tag: 5 });
    for (let i = 0; i < 10; i++) for (let index = 0; index < 4; index++) world.device.kick(index);
    expect([world.events(), world.controlAnswers(), world.failures]).to.deep.equal([[], [], []]);
    expect(world.answers()).to.have.length(1);
    expect(world.answers()).to.have.length(0);
  });

  it("H19: serves the one queue that a boot program has set up, while logical units come and go", () => {
    const world = new ScsiWorld();
    world.startQueue(REQUESTS);
    ready(world);
    world.targets.at(0).add(5, new HoldingUnit());
    void world.targets.at(0).remove(5);
    expect(world.run({ cdb: INQUIRY, in: 36 })).to.deep.include({ response: Response.ok, status: 0 });
  });

  it("H21: takes no more than a ring full at a time, of a driver that brings more all the while", () => {
    const world = ready(new ScsiWorld().start());
    const requests = 100;
    let looks = 0;
    world.startQueue(0, ({ areas, size }) => {
      const ring = new RawRing(areas, size);
      return meddling(world, () => {
        looks += 1;
        // A request has two buffers; it has ended when the next one is looked for.
        if (looks % 2 === 0 && looks < 2 * requests) ring.offer(0);
      });
    });
    world.manage(ManagementSubtype.queryTaskSet);
    expect(looks).to.equal(2 * QUEUE_SIZE);
    expect(world.run({ cdb: INQUIRY, in: 36 }).response).to.equal(Response.ok);
    expect([looks, world.failures]).to.deep.equal([2 * requests, []]);
  });

  it("H21: answers a ring full of task management requests", () => {
    const world = ready(new ScsiWorld().start());
    world.run({ lun: HELD });
    world.command({ lun: HELD, tag: 5 });
    for (let i = 0; i < 8; i++) world.manage(ManagementSubtype.queryTask, { tag: 5 });
    expect(world.controlAnswers().map(([code]) => code)).to.deep.equal(new Array(8).fill(Response.functionSucceeded));
    expect(world.holding.held).to.have.length(1);
  });

  it("H21: aborts the task that is named, and none that another queue has, whatever came by each before", () => {
    for (let before = 0; before < 4; before++) {
      const world = ready(new ScsiWorld().start());
      world.run({ lun: HELD });
      for (let i = 0; i < before; i++) world.run({ queue: 3 });
      world.command({ lun: HELD, tag: 5, queue: 2 });
      world.command({ lun: HELD, tag: 6, queue: 3 });
      world.manage(ManagementSubtype.abortTask, { tag: 6 });
      const aborted = world.answers(3).filter(({ response }) => response === Response.aborted);
      expect([aborted.map(({ tag }) => tag), world.answers(2)], `${before} before`).to.deep.equal([[6], []]);
    }
  });
});

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
