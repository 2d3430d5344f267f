// Judges both ends of a split virtqueue under random histories, against the one promise they make: every chain comes
// back once, with what the device wrote, and nobody sleeps through anything. Any features, any order of completion,
// any pattern of looking, publishing and going to sleep.

import {
  Arena,
  Chain,
  Feature,
  PAGE_SIZE,
  ringFeatures,
  SplitDeviceQueue,
  SplitDriverQueue,
  Used,
} from "@pvscsi/virtio";
import { Places, type Random } from "@pvscsi/wire";
import { expect } from "chai";
import { histories } from "./histories.js";
import { RawRing } from "./raw-ring.js";

const HISTORIES = 300;
const CHAINS = 200;
/** More than any history takes. */
const STEPS = 50_000;
const LONGEST = 6;
/** Bytes of a chain's page that may be read, and as many behind them that may be written. */
const PART = 120;

type End = "driver" | "device";

/** A chain under way, as its driver knows it. */
interface Sent {
  readonly number: number;
  readonly page: Uint8Array;
  readonly readable: Places;
  readonly writable: Places;
  /** What the device wrote; -1 while it has not ended. */
  written: number;
}

/** The first bytes of chain `number`, there or back. */
function bytesOf(number: number, length: number, way: "there" | "back"): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = number * 31 + at * 7 + (way === "back" ? 101 : 0);
  return bytes;
}

function expectBytes(places: Places, length: number, number: number, way: "there" | "back"): void {
  const bytes = new Uint8Array(length);
  places.read(bytes);
  if (Buffer.compare(bytes, bytesOf(number, length, way)) !== 0) expect.fail(`chain ${number} has other bytes ${way}`);
}

class World {
  readonly #random: Random;
  readonly #size: number;
  readonly #inOrder: boolean;
  readonly #driver: SplitDriverQueue;
  readonly #device: SplitDeviceQueue;
  readonly #ring: RawRing;
  readonly #pages: Uint8Array[];
  /** By where its page begins. */
  readonly #underWay = new Map<number, Sent>();
  readonly #open: Chain[] = [];
  readonly #used = new Used();
  readonly #awake = { driver: true, device: true };
  #sent = 0;
  readonly returned: number[] = [];
  publishes = 0;
  notifications = 0;

  constructor(random: Random) {
    this.#random = random;
    const features = [Feature.indirectDescriptors, Feature.eventIndex, Feature.inOrder];
    const negotiated = ringFeatures(features.filter(() => random.chance(0.5)).reduce((all, one) => all | one, 0n));
    const size = 2 ** random.below(6);
    const memory = new Arena(new ArrayBuffer(256 * PAGE_SIZE));
    this.#size = size;
    this.#inOrder = negotiated.inOrder;
    this.#driver = new SplitDriverQueue({ size, memory, features: negotiated, longest: random.below(LONGEST + 1) });
    const { areas } = this.#driver;
    this.#device = new SplitDeviceQueue({ size, areas, base: 0, memory, features: negotiated });
    this.#ring = new RawRing(areas, size);
    this.#pages = memory.pages(64);
  }

  get asleep(): boolean {
    return !this.#awake.driver && !this.#awake.device;
  }

  /** Lets an end that is awake do something; now and then one is woken for nothing. */
  step(): void {
    if (this.#random.chance(0.01)) this.#awake[this.#random.chance(0.5) ? "driver" : "device"] = true;
    const driver = this.#awake.driver && (!this.#awake.device || this.#random.chance(0.5));
    if (driver) this.#stepDriver();
    else if (this.#awake.device) this.#stepDevice();
    const { outstanding } = this.#driver;
    if (outstanding !== this.#underWay.size) expect.fail(`${outstanding} of ${this.#underWay.size} are outstanding`);
    if (this.#device.outstanding !== this.#open.length) expect.fail(`the device has ${this.#device.outstanding}`);
  }

  /** Everything came back, and nothing is held. */
  expectDone(): void {
    expect([this.#sent, this.returned.length, this.#open.length]).to.deep.equal([CHAINS, CHAINS, 0]);
    expect(new Set(this.returned).size).to.equal(CHAINS);
    expect([this.#driver.free, this.#unseen("driver"), this.#unseen("device")]).to.deep.equal([this.#size, 0, 0]);
    expect(this.notifications).to.be.at.most(this.publishes);
  }

  #stepDriver(): void {
    switch (this.#random.below(6)) {
      case 0:
        return this.#driver.quiet();
      case 1:
        return void this.#send();
      case 2:
        return this.#publish("driver");
      case 3:
        return void this.#take();
      default:
        if (this.#take() || this.#send()) return;
        this.#publish("driver");
        this.#awake.driver = this.#driver.finalCheck();
    }
  }

  #stepDevice(): void {
    switch (this.#random.below(6)) {
      case 0:
        return this.#device.quiet();
      case 1:
        return void this.#begin();
      case 2:
        return this.#publish("device");
      case 3:
        return void this.#finish();
      default:
        if (this.#begin() || this.#finish()) return;
        this.#publish("device");
        this.#awake.device = this.#device.finalCheck();
    }
  }

  /** Chains that were shown to an end and that it has not taken. */
  #unseen(end: End): number {
    if (end === "device") return (this.#ring.availIndex - this.#device.next) & 0xffff;
    return (this.#ring.usedIndex - this.returned.length) & 0xffff;
  }

  /** Shows what there is. An end that sleeps has to be woken by it; one that is busy may be. */
  #publish(by: End): void {
    const other = by === "driver" ? "device" : "driver";
    const before = this.#unseen(other);
    const wanted = by === "driver" ? this.#driver.publish() : this.#device.publish();
    const shown = this.#unseen(other) - before;
    if (shown > 0) this.publishes += 1;
    if (wanted) this.notifications += 1;
    if (shown > 0 && !this.#awake[other]) expect(wanted, `the ${other} sleeps through something`).to.equal(true);
    if (wanted) this.#awake[other] = true;
  }

  #send(): boolean {
    const page = this.#pages[this.#pages.length - 1];
    if (this.#sent === CHAINS || page === undefined) return false;
    const [readable, writable] = [this.#pieces(page, 0), this.#pieces(page, PART)];
    if (readable.count + writable.count > this.#size) return true;
    const number = this.#sent;
    page.fill(0, PART).set(bytesOf(number, PART, "there"));
    const sent: Sent = { number, page, readable, writable, written: -1 };
    if (!this.#driver.add(readable, writable, sent)) return false;
    this.#underWay.set(page.byteOffset, sent);
    this.#pages.pop();
    this.#sent += 1;
    return true;
  }

  /** Pieces one behind the other; at least one where they are to be written. */
  #pieces(page: Uint8Array, from: number): Places {
    const places = new Places();
    for (let at = from; places.count < LONGEST / 2; at += places.size(places.count - 1)) {
      if (this.#random.chance(0.4) && (places.count > 0 || from === 0)) break;
      places.add(page, at, 1 + this.#random.below(PART / (LONGEST / 2)));
    }
    return places;
  }

  #take(): boolean {
    if (!this.#driver.take(this.#used)) return false;
    const { page, number, written, writable } = this.#used.token as Sent;
    expect(this.#used.written, `chain ${number}`).to.equal(written);
    expectBytes(writable, written, number, "back");
    if (this.#inOrder) expect(number, "in order").to.equal(this.returned.length);
    if (!this.#underWay.delete(page.byteOffset)) expect.fail(`chain ${number} came back twice`);
    this.returned.push(number);
    this.#pages.push(page);
    return true;
  }

  #begin(): boolean {
    const chain = new Chain();
    if (!this.#device.take(chain)) return false;
    const { number, readable, writable } = this.#sentAs(chain);
    expect([chain.readable.length, chain.writable.length]).to.deep.equal([readable.length, writable.length]);
    expectBytes(chain.readable, readable.length, number, "there");
    this.#open.push(chain);
    return true;
  }

  #finish(): boolean {
    if (this.#open.length === 0) return false;
    const [chain] = this.#open.splice(this.#random.below(this.#open.length), 1);
    const sent = this.#sentAs(chain);
    const { length } = chain.writable;
    sent.written = this.#random.chance(0.5) ? length : this.#random.below(length + 1);
    chain.writable.write(bytesOf(sent.number, sent.written, "back"));
    this.#device.push(chain, sent.written);
    return true;
  }

  /** The chain as its driver knows it: by the page that its last piece lies in. */
  #sentAs({ writable }: Chain): Sent {
    const at = writable.page(0).byteOffset + writable.offset(0);
    return this.#underWay.get(at - (at % PAGE_SIZE)) as Sent;
  }
}

describe("a split virtqueue under random histories", () => {
  it("(h) loses nothing, doubles nothing, and nobody sleeps through anything", async () => {
    await histories("split-model", HISTORIES, (random) => {
      const world = new World(random);
      for (let i = 0; i < STEPS && !(world.asleep && world.returned.length === CHAINS); i++) world.step();
      world.expectDone();
    });
  }).timeout(120_000);

  it("(h) notifies less often than it publishes where both ends are busy", async () => {
    let [notifications, publishes] = [0, 0];
    const all = await histories("split-model", 20, (random) => {
      const world = new World(random);
      for (let i = 0; i < STEPS && !world.asleep; i++) world.step();
      notifications += world.notifications;
      publishes += world.publishes;
    });
    if (all) expect(notifications).to.be.below(publishes * 0.9);
  });
});
