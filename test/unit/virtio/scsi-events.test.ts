// Judges the event queue of the virtio-scsi device by the numbered rules of the specification's device part (D).

import { EVENTS_MISSED, EventType, Feature, ResetReason, Response } from "@pvscsi/virtio";
import { expect } from "chai";
import { HoldingUnit } from "../../support/scsi-devices.js";
import { RawRing } from "./raw-ring.js";
import { DISK, ready, ScsiWorld } from "./scsi-world.js";

const RESCAN = ResetReason.rescan;
const REMOVED = ResetReason.removed;
const RESET = EventType.transportReset;
const NO_LUN = "0000000000000000";
const MISSED = (event: number) => (event | EVENTS_MISSED) >>> 0;

/** A unit whose events are told by hand. */
class TellingUnit extends HoldingUnit {
  override readonly deviceType: number;
  tell: (event: "capacity-changed" | "mode-parameters-changed") => void = () => {};

  constructor(deviceType = 0) {
    super();
    this.deviceType = deviceType;
  }

  override listen(listener: Parameters<HoldingUnit["listen"]>[0]): () => void {
    this.tell = (event) => listener(event, null);
    return super.listen(listener);
  }
}

describe("a virtio-scsi device: events", () => {
  let world: ScsiWorld;
  beforeEach(() => {
    world = ready(new ScsiWorld().start());
  });

  it("tells of a logical unit that comes and one that goes", () => {
    world.postEvents(8);
    world.targets.at(0).add(5, new HoldingUnit());
    world.targets.at(7).add(300, new HoldingUnit());
    void world.targets.at(0).remove(5);
    expect(world.events()).to.deep.equal([
      [RESET, "0100000500000000", RESCAN],
      [RESET, "0107412c00000000", RESCAN],
      [RESET, "0100000500000000", REMOVED],
    ]);
    expect(world.run({ target: 7, lun: 300 }).response).to.equal(Response.ok);
  });

  it("tells of a changed capacity", () => {
    const unit = new TellingUnit();
    world.postEvents(8);
    world.targets.at(0).add(5, unit);
    world.events();
    unit.tell("capacity-changed");
    expect(world.events()).to.deep.equal([[EventType.paramChange, "0100000500000000", 0x092a]]);
  });

  it("D17: tells with the next event that one was missed, and at once when a buffer comes", () => {
    world.targets.at(0).add(5, new HoldingUnit());
    expect(world.events()).to.deep.equal([]);
    world.postEvents(1);
    expect(world.events()).to.deep.equal([[MISSED(EventType.noEvent), NO_LUN, 0]]);
    world.postEvents(1);
    expect(world.events()).to.deep.equal([]);
    world.targets.at(0).add(6, new HoldingUnit());
    expect(world.events()).to.deep.equal([[RESET, "0100000600000000", RESCAN]]);
  });

  it("D17 S9: asks to be notified of the next buffer when it has missed an event, with EVENT_IDX", () => {
    world = ready(new ScsiWorld().start(Feature.version1 | Feature.scsiHotplug | Feature.eventIndex));
    const { areas, size } = world.queues[1];
    const ring = new RawRing(areas, size);
    world.postEvents(3);
    for (const lun of [5, 6, 7]) world.targets.at(0).add(lun, new HoldingUnit());
    expect(ring.availEvent).to.equal(0);
    world.targets.at(0).add(8, new HoldingUnit());
    expect(ring.availEvent).to.equal(3);
  });

  it("D17: is told once for any number of events that were missed", () => {
    for (let lun = 5; lun < 300; lun++) world.targets.at(0).add(lun, new HoldingUnit());
    world.postEvents(8);
    expect(world.events()).to.deep.equal([[MISSED(EventType.noEvent), NO_LUN, 0]]);
  });

  it("D18: tells nothing of logical units without HOTPLUG, nor keeps it as missed", () => {
    world = ready(new ScsiWorld().start(Feature.version1 | Feature.scsiChange));
    world.targets.at(0).add(5, new HoldingUnit());
    world.postEvents(2);
    expect(world.events()).to.deep.equal([]);
  });

  it("tells nothing of parameters without CHANGE", () => {
    world = ready(new ScsiWorld().start(Feature.version1 | Feature.scsiHotplug));
    const unit = new TellingUnit();
    world.targets.at(0).add(5, unit);
    world.postEvents(2);
    world.events();
    unit.tell("capacity-changed");
    expect(world.events()).to.deep.equal([]);
  });

  it("D19: tells nothing of parameters of a CD drive", () => {
    const unit = new TellingUnit(5);
    world.targets.at(0).add(5, unit);
    world.postEvents(2);
    world.events();
    unit.tell("capacity-changed");
    expect(world.events()).to.deep.equal([]);
  });

  it("D22 H18: gives a buffer that is too short back and uses the next", () => {
    world.postEvents(1, 8);
    world.postEvents(1);
    world.targets.at(0).add(5, new HoldingUnit());
    const told = world.events();
    expect(told.slice(-1)).to.deep.equal([[MISSED(RESET), "0100000500000000", RESCAN]]);
    expect(world.failures).to.deep.equal([]);
  });

  it("hears nothing of a unit that has left", () => {
    const unit = new TellingUnit();
    world.targets.at(0).add(5, unit);
    void world.targets.at(0).remove(5);
    world.postEvents(8);
    world.events();
    unit.reset();
    expect(world.events()).to.deep.equal([]);
  });

  it("forgets what was missed at a reset", async () => {
    world.targets.at(0).add(5, new HoldingUnit());
    world.device.reset();
    await Promise.all([0, 1, 2, 3].map((index) => world.device.stop(index)));
    world.start();
    world.postEvents(1);
    expect(world.events()).to.deep.equal([]);
    expect(world.run({ lun: DISK }).sense.slice(12, 14)).to.deep.equal([0x29, 0]);
  });
});
