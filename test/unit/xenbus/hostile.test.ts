// Tests a hub against clients that mean harm: each ends with a reason, nobody else notices, and nothing is left of it.
// Without sockets; hostile-socket.test.ts has those.

import { seededRandom } from "@pvscsi/wire";
import { PAGE_SIZE } from "@pvscsi/xen";
import { MESSAGES } from "@pvscsi/xenbus";
import { expect } from "chai";
import { Packr } from "msgpackr";
import { RingTraffic } from "../../support/ring-traffic.js";
import { secretOf } from "../../support/xenbus-world.js";
import { hello, join, message, RawClient } from "./raw-client.js";
import { Stand } from "./stand.js";

const HOSTILE = 9;
const [FRONT, BACK] = [1, 2];
const FUZZ_SEED = Number(process.env.FUZZ_SEED ?? 1);
const FUZZ_FRAMES = Number(process.env.FUZZ_FRAMES ?? 10_000);
const packr = new Packr({ useRecords: false });

/** What a hostile client finds: references of domain 1, and their generations. */
interface Finds {
  readonly readOnly: number;
  readonly writable: number;
  readonly foreign: number;
  generation(reference: number): number;
}

class Scene {
  readonly stand = new Stand(1);
  traffic!: RingTraffic;
  finds!: Finds;
  readonly ends: string[] = [];

  async open(): Promise<this> {
    const front = await this.stand.join(FRONT);
    this.traffic = await RingTraffic.between(front, await this.stand.join(BACK), this.stand);
    const [one, two, three] = front.allocatePages(3);
    const readOnly = front.grants.grant(HOSTILE, one, "read-only");
    const writable = front.grants.grant(HOSTILE, two, "read-write");
    const foreign = front.grants.grant(BACK, three, "read-write");
    await this.stand.settle();
    this.finds = { readOnly, writable, foreign, generation: (reference) => front.table.generation(reference) };
    return this;
  }

  get hub() {
    return this.stand.world.hub;
  }

  /** A hostile client; logged in unless told otherwise. */
  client(known = true): RawClient {
    if (this.hub.admitted(HOSTILE) === undefined) {
      const ended = (reason: string) => this.ends.push(reason);
      this.hub.admit({ id: HOSTILE, secret: secretOf(HOSTILE), memoryPages: 8, grantFrames: 1, ended });
    }
    const client = new RawClient(this.hub);
    if (!known) return client;
    return client.say(
      hello(HOSTILE, secretOf(HOSTILE)),
      ...[FRONT, BACK].map((domain) => message("exists", { domain })),
    );
  }

  /** The others go on. */
  async expectGoing(): Promise<void> {
    const { answered } = this.traffic;
    this.traffic.ask(4);
    await this.stand.settle();
    expect(this.traffic.answered).to.equal(answered + 4);
    expect(this.hub.hypervisor.leaks()).to.deep.equal([]);
  }

  /** The others go on, and what the hostile one had is gone. */
  async expectSound(): Promise<void> {
    await this.expectGoing();
    expect(this.hub.hypervisor.find(FRONT)?.describe().uses).to.equal(2);
  }

  close(): void {
    this.hub.expel(HOSTILE, "the test ends");
  }
}

const bytes = (length: number) => new Uint8Array(length).fill(1);
const own = { domain: HOSTILE };
const grantOwn = (reference: number, more: object = {}) =>
  message("grant", { ...own, reference, generation: reference, frame: reference, to: FRONT, writing: 1, ...more });

/** Frames of a client that has logged in, and what they end with. */
const WRONGS: readonly (readonly [string, (finds: Finds) => Uint8Array[], RegExp])[] = [
  ["an empty frame", () => [new Uint8Array(0)], /a frame of 0 bytes/],
  ["a huge frame", () => [new Uint8Array(1024 * 1024 + 4).fill(11)], /a frame of 1048580 bytes/],
  ["type 0", () => [new Uint8Array(8)], /type 0/],
  ["type 13", () => [new Uint8Array(8).fill(13)], /type 13/],
  ["a second log-in", () => [hello(HOSTILE, secretOf(HOSTILE))], /a log-in after the log-in/],
  ["gone, which is the hub's", () => [message("gone", { domain: BACK })], /said by a domain/],
  ["a domain nobody told it of", () => [message("exists", { domain: 77 })], /said by a domain/],
  ["another's grant", () => [message("grant", { domain: FRONT, reference: 8, to: HOSTILE })], /not who speaks/],
  ["a reserved reference", () => [grantOwn(3)], /not free/],
  ["a reference twice", () => [grantOwn(8), grantOwn(8)], /not free/],
  ["a reference beyond its table", () => [grantOwn(512)], /a grant table of/],
  ["the farthest reference", () => [grantOwn(0xffff_ffff)], /a grant table of/],
  ["an access there is not", () => [grantOwn(8, { writing: 2 })], /access 2/],
  ["more pages than it has", () => Array.from({ length: 9 }, (_, i) => grantOwn(8 + i)), /more than the domain's 8/],
  [
    "another's revocation",
    ({ foreign }) => [message("revoke", { domain: FRONT, reference: foreign })],
    /not who speaks/,
  ],
  ["a revocation of nothing", () => [message("revoke", { ...own, reference: 9 })], /was not granted/],
  [
    "a revocation of another generation",
    () => [grantOwn(8), message("revoke", { ...own, reference: 8 })],
    /not granted/,
  ],
  ["a use of its own", () => [grantOwn(8), message("use", { ...own, reference: 8, use: 1 })], /own page/],
  ["a use there is not", ({ writable }) => [message("use", { domain: FRONT, reference: writable, use: 2 })], /use 2/],
  [
    "a use for which it is too little",
    (finds) => [message("use", { ...at(finds, finds.readOnly), use: 3 })],
    /is read-only/,
  ],
  ["another's entry", (finds) => [message("use", { ...at(finds, finds.foreign), use: 1 })], /is not its/],
  ["bytes for another's page", (finds) => [message("range", at(finds, finds.foreign), bytes(4))], /is not its/],
  ["bytes for a read-only page", (finds) => [message("range", at(finds, finds.readOnly), bytes(4))], /is read-only/],
  ["no bytes", (finds) => [message("range", at(finds, finds.writable))], /a range 0\+0/],
  [
    "bytes beyond a page",
    (finds) => [message("range", { ...at(finds, finds.writable), offset: PAGE_SIZE - 3 }, bytes(4))],
    /a range 4093\+4/,
  ],
  ["more bytes than a page", (finds) => [message("range", at(finds, finds.writable), bytes(5000))], /a range 0\+5000/],
  ["bytes for what it never granted", () => [message("range", { ...own, reference: 8 }, bytes(4))], /is not granted/],
  ["port 0", () => [message("open", { ...own, port: 0, remote: FRONT })], /port 0 is not free/],
  ["a port beyond all", () => [message("open", { ...own, port: 4096 })], /port 4096 is not free/],
  ["another's port", () => [message("open", { domain: FRONT, port: 3 })], /not who speaks/],
  ["a port twice", () => [message("open", { ...own, port: 3 }), message("open", { ...own, port: 3 })], /not free/],
  ["the close of a closed port", () => [message("close", { ...own, port: 3 })], /port 3 is closed/],
  ["an event for no port of its own", () => [message("event", { port: 5 })], /port 5 is closed/],
  ["another's binding", () => [message("bind", { domain: FRONT, port: 9 })], /not who speaks/],
  [
    "a binding of a port it has",
    () => [message("open", { ...own, port: 1 }), message("bind", { ...own, port: 1 })],
    /not free/,
  ],
  ["a store message that is too long", () => [message("store", {}, new Uint8Array(16).fill(0xff))], /xenstored/],
];

function at({ generation }: Finds, reference: number): Record<string, number> {
  return { domain: FRONT, reference, generation: generation(reference) };
}

/** What is no log-in, and why. */
const STRANGERS: readonly (readonly [string, () => Uint8Array, RegExp])[] = [
  ["a wrong secret", () => hello(HOSTILE, secretOf(HOSTILE + 1)), /wrong secret/],
  ["a short secret", () => hello(HOSTILE, bytes(31)), /wrong secret/],
  ["no secret", () => hello(HOSTILE, bytes(0)), /wrong secret/],
  ["a domain there is not", () => hello(1234, secretOf(1234)), /no such domain/],
  ["another's id", () => hello(FRONT, secretOf(HOSTILE)), /wrong secret/],
  ["a domain that is connected", () => hello(FRONT, secretOf(FRONT)), /connected already/],
  ["two log-ins", () => join(hello(HOSTILE, secretOf(HOSTILE)), hello(HOSTILE, secretOf(HOSTILE))), /log-in|connected/],
  ["another version", () => packed({ version: 7, domain: HOSTILE, secret: secretOf(HOSTILE) }), /version 7/],
  ["more than a hello", () => packed({ version: 1, domain: HOSTILE, secret: secretOf(HOSTILE), x: 1 }), /shape/],
  ["a secret that is text", () => packed({ version: 1, domain: HOSTILE, secret: "x".repeat(32) }), /without a secret/],
  ["half a domain", () => packed({ version: 1, domain: 0.5, secret: secretOf(HOSTILE) }), /without a domain/],
  ["a list", () => packed([1, 2, 3]), /no map/],
  ["nothing", () => message("control"), /no MessagePack|no map/],
  ["no MessagePack", () => message("control", {}, new Uint8Array(32).fill(0xc1)), /no MessagePack/],
  ["a deep nest", () => message("control", {}, new Uint8Array(4000).fill(0x91)), /no MessagePack|no map/],
  [
    "a long list that is not there",
    () => message("control", {}, Uint8Array.of(0xdd, 1, 0xc9, 0xc3, 0x80)),
    /no M|no map/,
  ],
  ["a prototype", () => message("control", {}, prototypeMap()), /version undefined|shape|no map/],
  ["4 KiB and more", () => message("control", {}, new Uint8Array(4096)), /bytes before the log-in/],
  ["an event first", () => message("event", { port: 1 }), /before the log-in/],
];

function packed(value: unknown): Uint8Array {
  return message("control", {}, packr.pack(value));
}

/** A map whose one key is __proto__. */
function prototypeMap(): Uint8Array {
  const key = new TextEncoder().encode("__proto__");
  return join(Uint8Array.of(0x81, 0xa0 | key.length), key, packr.pack({ version: 1, domain: HOSTILE }));
}

describe("xenbus: a hostile client", () => {
  let scene: Scene;
  before(async () => {
    scene = await new Scene().open();
  });
  afterEach(async () => {
    scene.close();
    await scene.expectSound();
    expect(scene.hub.hypervisor.find(HOSTILE)).to.equal(undefined);
    expect(Object.hasOwn(Object.prototype, "version")).to.equal(false);
  });

  for (const [name, frames, reason] of WRONGS) {
    it(`(h) ends with a reason after ${name}`, async () => {
      const client = scene.client().say(...frames(scene.finds));
      await scene.stand.settle();
      expect(client.ended).to.match(reason);
      expect(scene.ends.at(-1)).to.equal(client.ended);
      expect(scene.hub.admitted(HOSTILE)).to.equal(undefined);
    });
  }

  for (const [name, frame, reason] of STRANGERS) {
    it(`(h) is not let in with ${name}`, () => {
      const client = scene.client(false).say(frame());
      expect(client.ended).to.match(reason);
    });
  }

  it("(h) ends for each message that is cut off, wherever it is", () => {
    for (const [type, { size }] of Object.entries(MESSAGES)) {
      for (let length = 1; length < size; length++) {
        const cut = new Uint8Array(length);
        cut[0] = Number(type);
        expect(scene.client().say(cut).ended, `type ${type}, ${length} bytes`).to.match(/cut off/);
      }
    }
  });

  it("(h) ends for each payload that is cut off, or longer than it says", () => {
    for (const name of ["range", "store", "control"] as const) {
      const whole = message(name, {}, bytes(8));
      for (let length = whole.length - 8; length < whole.length; length++) {
        expect(scene.client().say(whole.subarray(0, length)).ended, `${name}, ${length} bytes`).to.match(/cut off/);
      }
      // Some of them once were lengths to go back by.
      for (const length of name === "range" ? [0xffff, 9] : [0xffff_ffff, 0xffff_fff8, 0x8000_0000, 9]) {
        expect(scene.client().say(message(name, { length }, bytes(8))).ended, `${name} ${length}`).to.match(/cut off/);
      }
    }
  });

  it("(h) goes on when it speaks of a grant that has ended: that is dropped and counted", () => {
    const { late } = scene.hub;
    const { writable, generation } = scene.finds;
    const old = { domain: FRONT, reference: writable, generation: generation(writable) + 1 };
    const client = scene.client().say(message("range", old, bytes(8)), message("use", { ...old, use: 1 }));
    client.say(message("use", { domain: 555, reference: 8, use: 1 }));
    expect(client.ended).to.equal(null);
    expect(scene.hub.late).to.equal(late + 3);
  });

  it("(h) costs nothing with a flood of events", async () => {
    const client = scene.client().say(message("open", { ...own, port: 1, remote: FRONT }));
    const flood = join(...Array.from({ length: 1000 }, () => message("event", { port: 1 })));
    for (let i = 0; i < 200; i++) client.say(flood);
    expect(client.ended).to.equal(null);
    await scene.expectSound();
  });

  it("(h) gets no watches beyond xenstored's quota", async () => {
    const client = scene.client();
    for (let i = 0; i < 200; i++) {
      client.say(message("store", {}, watch("@introduceDomain", `${i}`)));
      await scene.stand.settle();
    }
    // xenstored compares before it adds.
    expect(client.refusals).to.equal(200 - 129);
    expect(client.ended).to.equal(null);
  });

  it(`(h) and ${FUZZ_FRAMES} mutated frames, seed ${FUZZ_SEED}: nobody else notices`, async () => {
    const random = seededRandom(FUZZ_SEED, "fuzz");
    const parts = seeds(scene.finds);
    let ended = 0;
    let client = scene.client();
    for (let i = 0; i < FUZZ_FRAMES; i++) {
      if (client.ended !== null) {
        ended += 1;
        client = scene.client();
      }
      const frame = join(...Array.from({ length: 1 + random.below(4) }, () => parts[random.below(parts.length)]));
      for (let n = random.below(5) - 2; n > 0; n--)
        frame[random.below(frame.length)] = pick(random.below(4), random.u32());
      client.say(random.chance(0.02) ? frame.subarray(0, random.below(frame.length)) : frame);
      if (i % 100 === 0) await scene.expectGoing();
    }
    expect(ended).to.be.within(FUZZ_FRAMES / 20, FUZZ_FRAMES);
  }).timeout(20_000 + FUZZ_FRAMES * 5);
});

/** Values at which checks go wrong, or any. */
function pick(kind: number, value: number): number {
  return [0, 0xff, 1 << (value & 7), value & 0xff][kind];
}

/** XS_WATCH. */
function watch(path: string, token: string): Uint8Array {
  const text = new TextEncoder().encode(`${path}\0${token}\0`);
  const head = new Uint32Array([4, 1, 0, text.length]);
  return join(new Uint8Array(head.buffer), text);
}

/** What is right, in pieces that may follow each other in any order. */
function seeds(finds: Finds): Uint8Array[] {
  const use = (reference: number, how: number) => message("use", { ...at(finds, reference), use: how });
  const range = (offset: number, length: number) =>
    message("range", { ...at(finds, finds.writable), offset }, bytes(length));
  const ownRange = message("range", { ...own, reference: 8, generation: 8 }, bytes(64));
  const revoke = message("revoke", { ...own, reference: 8, generation: 8 });
  const open = message("open", { ...own, port: 1, serial: 1, remote: FRONT });
  const close = message("close", { ...own, port: 1 });
  const bind = { ...own, port: 1, serial: 2, remote: FRONT, remotePort: 1, remoteSerial: 1 };
  return [
    join(grantOwn(8), ownRange, revoke),
    join(grantOwn(8, { to: BACK }), revoke),
    join(open, message("event", { port: 1 }), close),
    join(message("bind", bind), message("event", { port: 1 }), close),
    join(use(finds.writable, 3), range(8, 24)),
    use(finds.writable, 0),
    use(finds.readOnly, 1),
    range(PAGE_SIZE - 5, 5),
    message("store", {}, watch("@releaseDomain", "t")),
  ];
}
