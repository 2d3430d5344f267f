import { ChunkType, CommandFlag, CommandType, SimpleReply } from "@pvscsi/nbd";
import type { StoreFailure } from "@pvscsi/scsi";
import { expect } from "chai";
import { GRAIN, ModelStore } from "./model-store.js";
import { type Asking, command, Peer, statusOf } from "./peer.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const { read, write, disconnect, flush, trim, cache, writeZeroes, blockStatus } = CommandType;
const { fua, noHole, df, reqOne, fastZero } = CommandFlag;

function pattern(length: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff));
}

describe("nbd transmission", () => {
  let store: ModelStore;
  let peer: Peer;

  beforeEach(() => {
    store = new ModelStore(MIB);
    store.bytes.set(pattern(MIB));
    peer = new Peer([{ name: "", store }]).connect();
  });

  afterEach(() => peer.close());

  function reconnect(options: Partial<ConstructorParameters<typeof Peer>[0][0]>, simply = false): void {
    peer.close();
    peer = new Peer([{ name: "", store, ...options }]);
    if (simply) peer.connectSimply();
    else peer.connect();
  }

  describe("commands", () => {
    it("READ answers one data chunk with its offset", () => {
      for (const [offset, length] of [
        [0, 1],
        [5, 511],
        [4096, 64 * KIB],
        [1000, 300_001],
        [MIB - 512, 512],
      ]) {
        const answer = peer.ask(read, { offset, length, cookie: length, flags: df });
        expect([answer.type, answer.flags, answer.error]).to.deep.equal([ChunkType.offsetData, 1, 0]);
        expect(Number(answer.data.readBigUInt64BE(0))).to.equal(offset);
        expect(answer.data.subarray(8).equals(store.bytes.subarray(offset, offset + length))).to.equal(true);
      }
    });

    it("READ answers simply where nothing else was negotiated", () => {
      reconnect({}, true);
      const answer = peer.ask(read, { offset: 3, length: 70_000, cookie: 9 });
      expect([answer.type, answer.error]).to.deep.equal([null, 0]);
      expect(answer.data.equals(store.bytes.subarray(3, 70_003))).to.equal(true);
    });

    it("WRITE puts the payload where it belongs, FUA on demand", () => {
      const payload = pattern(200_000, 3);
      expect(peer.ask(write, { offset: 12_345, payload }).error).to.equal(0);
      expect(peer.ask(write, { offset: 0, payload: pattern(10, 5), flags: fua }).error).to.equal(0);
      expect(Buffer.from(store.bytes.subarray(12_345, 212_345)).equals(payload)).to.equal(true);
      expect(store.asked).to.deep.equal([
        { operation: "write", offset: 12_345, length: 200_000, fua: false },
        { operation: "write", offset: 0, length: 10, fua: true },
      ]);
    });

    it("FLUSH, TRIM and WRITE_ZEROES reach the store as what they are", () => {
      expect(peer.ask(flush).error).to.equal(0);
      expect(peer.ask(trim, { offset: 4096, length: 8192 }).error).to.equal(0);
      expect(peer.ask(writeZeroes, { offset: 512, length: 1024, flags: fua }).error).to.equal(0);
      expect(peer.ask(writeZeroes, { offset: 0, length: 16, flags: fastZero }).error).to.equal(0);
      expect(store.asked).to.deep.equal([
        { operation: "flush", offset: 0, length: 0, fua: false },
        { operation: "discard", offset: 4096, length: 8192, fua: false },
        { operation: "write-zeroes", offset: 512, length: 1024, fua: true },
        { operation: "write-zeroes", offset: 0, length: 16, fua: false },
      ]);
    });

    it("WRITE_ZEROES with NO_HOLE really writes, however long, and stops at the first failure", () => {
      const large = new ModelStore(5 * MIB);
      large.bytes.fill(7);
      reconnect({ store: large });
      expect(peer.ask(writeZeroes, { offset: 100, length: 4 * MIB + 5, flags: noHole | fua }).error).to.equal(0);
      expect(large.asked.map((asked) => [asked.operation, asked.length, asked.fua])).to.deep.equal([
        ...new Array(4).fill(["write", MIB, true]),
        ["write", 5, true],
      ]);
      const end = 100 + 4 * MIB + 5;
      expect(large.bytes.subarray(100, end).every((byte) => byte === 0)).to.equal(true);
      expect([large.bytes[99], large.bytes[end]]).to.deep.equal([7, 7]);
      large.asked.length = 0;
      large.failure = { failure: "no-space" };
      expect(peer.ask(writeZeroes, { length: 4 * MIB, flags: noHole }).error).to.equal(28);
      expect(large.asked.length).to.equal(1);
    });

    it("WRITE_ZEROES with NO_HOLE goes on when each step ends later", () => {
      const large = new ModelStore(3 * MIB);
      reconnect({ store: large });
      large.hold = true;
      peer.issue(writeZeroes, { length: 2 * MIB + 1, flags: noHole });
      for (let step = 0; step < 3; step++) {
        expect([large.held.length, peer.received.length]).to.deep.equal([1, 0]);
        large.complete();
        peer.work();
      }
      expect(peer.takeAnswer().error).to.equal(0);
    });

    it("CACHE is taken as the hint it is", () => {
      expect(peer.ask(cache, { offset: 512, length: 100_000 }).error).to.equal(0);
      expect(store.asked).to.deep.equal([]);
    });

    it("BLOCK_STATUS tells holes from data, within the request, neighbours joined", () => {
      store.bytes.fill(0, 2 * GRAIN, 5 * GRAIN);
      const answer = peer.ask(blockStatus, { offset: 100, length: 6 * GRAIN });
      expect([answer.type, answer.flags, answer.data.readUInt32BE(0)]).to.deep.equal([ChunkType.blockStatus, 1, 1]);
      expect(statusOf(answer)).to.deep.equal([2 * GRAIN - 100, 0, 3 * GRAIN, 3, GRAIN + 100, 0]);
      const one = peer.ask(blockStatus, { offset: 3 * GRAIN, length: 100, flags: reqOne });
      expect(statusOf(one)).to.deep.equal([100, 3]);
      const first = peer.ask(blockStatus, { offset: 0, length: 6 * GRAIN, flags: reqOne });
      expect(statusOf(first)).to.deep.equal([2 * GRAIN, 0]);
    });

    it("BLOCK_STATUS of a fragmented disk stays within its limit", () => {
      const ragged = new ModelStore(10_000 * GRAIN);
      for (let grain = 0; grain < 10_000; grain += 2) ragged.bytes[grain * GRAIN] = 1;
      reconnect({ store: ragged });
      expect(statusOf(peer.ask(blockStatus, { length: 10_000 * GRAIN })).length).to.equal(2 * 4096);
    });

    it("of length zero succeed without the store", () => {
      for (const type of [read, write, trim, cache, writeZeroes]) expect(peer.ask(type).error).to.equal(0);
      expect(store.asked).to.deep.equal([]);
      reconnect({}, true);
      expect(peer.ask(read).error).to.equal(0);
    });

    it("DISC ends the connection when all before it is answered", () => {
      store.hold = true;
      peer.issue(write, { payload: pattern(512) });
      peer.issue(disconnect);
      peer.issue(flush, { cookie: 99 });
      expect([peer.ended, store.held.length]).to.deep.equal([false, 1]);
      store.complete();
      peer.work();
      expect(peer.takeAnswer().error).to.equal(0);
      expect([peer.ended, peer.received.length]).to.deep.equal([true, 0]);
    });

    it("DISC lets zeroes that are under way become whole", () => {
      store.bytes.fill(9);
      const large = new ModelStore(2 * MIB);
      large.bytes.fill(9);
      reconnect({ store: large });
      large.hold = true;
      peer.issue(writeZeroes, { length: 2 * MIB, flags: noHole });
      peer.issue(disconnect);
      large.complete();
      large.complete();
      peer.work();
      expect([large.bytes.some((byte) => byte !== 0), peer.ended]).to.deep.equal([false, true]);
      peer.takeAnswer();
    });
  });

  describe("refusals", () => {
    const EPERM = 1;
    const EINVAL = 22;
    const ENOSPC = 28;
    const EOVERFLOW = 75;
    const ENOTSUP = 95;

    function expectErrors(cases: readonly [number, Asking, number][]): void {
      for (const [type, asking, error] of cases) {
        expect(
          peer.ask(type, asking).error,
          `command ${type} at ${asking.offset ?? 0} of ${asking.length} flags ${asking.flags}`,
        ).to.equal(error);
      }
      expect(store.asked).to.deep.equal([]);
      expect(peer.ask(read, { length: 512 }).error, "the connection goes on").to.equal(0);
    }

    const half = pattern(512);
    const beyond: readonly [number, Asking, number][] = [
      [read, { offset: MIB - 511, length: 512 }, EINVAL],
      [read, { offset: MIB, length: 1 }, EINVAL],
      [read, { offset: 1n << 53n, length: 1 }, EINVAL],
      [read, { offset: 0xffff_ffff_ffff_ffffn, length: 1 }, EINVAL],
      [write, { offset: MIB - 511, payload: half }, ENOSPC],
      [write, { offset: 0xffff_ffff_ffff_ffffn, payload: half }, ENOSPC],
      [writeZeroes, { offset: MIB, length: 1 }, ENOSPC],
      [trim, { offset: MIB, length: 1 }, EINVAL],
      [cache, { offset: MIB, length: 1 }, EINVAL],
      [blockStatus, { offset: MIB, length: 1 }, EINVAL],
    ];
    const invalid: readonly [number, Asking, number][] = [
      [8, { length: 512 }, EINVAL],
      [0xffff, {}, EINVAL],
      [read, { length: 1, flags: noHole }, EINVAL],
      [read, { length: 1, flags: 0x8000 }, EINVAL],
      [write, { payload: half, flags: df }, EINVAL],
      [flush, { length: 1 }, EINVAL],
      [flush, { offset: 1 }, EINVAL],
      [trim, { length: 1, flags: fastZero }, EINVAL],
      [cache, { length: 1, flags: reqOne }, EINVAL],
      [writeZeroes, { length: 1, flags: reqOne }, EINVAL],
      [writeZeroes, { length: 1, flags: fastZero | noHole }, ENOTSUP],
      [blockStatus, { length: 0 }, EINVAL],
    ];

    it("name what leaves the export", () => expectErrors(beyond));
    it("name what is not allowed", () => expectErrors(invalid));

    it("are simple where nothing else was negotiated, which DF and BLOCK_STATUS need", () => {
      reconnect({}, true);
      const status: readonly [number, Asking, number][] = [
        [read, { length: 1, flags: df }, EINVAL],
        [blockStatus, { length: 1 }, EINVAL],
        [read, { length: 32 * MIB + 1 }, EINVAL],
      ];
      expectErrors([...beyond, ...invalid, ...status]);
    });

    it("keep a read-only export as it is", () => {
      reconnect({ readOnly: true });
      expectErrors([
        [write, { payload: half }, EPERM],
        [trim, { length: 512 }, EPERM],
        [writeZeroes, { length: 512 }, EPERM],
      ]);
      expect(peer.ask(flush).error).to.equal(0);
    });

    it("hold requests to the minimum block and the maximum payload", () => {
      reconnect({ minimumBlock: 512, maximumPayload: 64 * KIB });
      expectErrors([
        [read, { offset: 256, length: 512 }, EINVAL],
        [read, { length: 100 }, EINVAL],
        [write, { offset: 1, payload: half }, EINVAL],
        [trim, { length: 513 }, EINVAL],
        [writeZeroes, { length: 511 }, EINVAL],
        [read, { length: 64 * KIB + 512 }, EOVERFLOW],
        [write, { payload: pattern(64 * KIB + 512) }, EINVAL],
      ]);
    });

    it("say no to TRIM and quick zeroes where the store keeps all its space", () => {
      store = new ModelStore(MIB, { discard: false });
      reconnect({ store });
      expectErrors([
        [trim, { length: 512 }, EINVAL],
        [writeZeroes, { length: 512, flags: fastZero }, ENOTSUP],
      ]);
    });

    it("carry a message, and the place where the store knew it", () => {
      store.failure = { failure: "medium", offset: 1024 };
      const answer = peer.ask(read, { offset: 512, length: 4096 });
      expect([answer.type, answer.error]).to.deep.equal([ChunkType.errorOffset, 5]);
      const length = answer.data.readUInt16BE(4);
      expect(answer.data.toString("latin1", 6, 6 + length)).to.equal("input/output error");
      expect(Number(answer.data.readBigUInt64BE(6 + length))).to.equal(1024);
      store.failure = { failure: "medium", offset: 100_000 };
      expect(peer.ask(read, { offset: 512, length: 4096 }).type, "a place outside").to.equal(ChunkType.error);
    });

    it("tell a store's failures apart", () => {
      const codes: Record<StoreFailure, number> = {
        medium: 5,
        hardware: 5,
        "no-space": 28,
        "no-memory": 12,
        "read-only": 1,
        "out-of-range": 22,
        cancelled: 108,
      };
      for (const [failure, code] of Object.entries(codes)) {
        store.failure = { failure: failure as StoreFailure };
        expect(peer.ask(write, { payload: half }).error, failure).to.equal(code);
      }
    });

    it("end the connection over a wrong magic or a write of absurd length", () => {
      peer.give(Buffer.alloc(28, 0x25));
      expect([peer.destroyed, peer.failures]).to.deep.equal([true, ["request magic 0x25252525"]]);
      reconnect({ maximumPayload: 4096 });
      peer.give(command(write, { length: 32 * MIB + 1 }));
      expect(peer.failures).to.deep.equal([`a write of ${32 * MIB + 1} bytes`]);
    });
  });

  describe("many at once", () => {
    it("answers in the order the store ends them", () => {
      store.hold = true;
      for (let cookie = 0; cookie < 8; cookie++) peer.issue(read, { offset: cookie * 512, length: 512, cookie });
      for (const index of [7, 3, 0, 1, 3, 2, 0, 0]) store.complete(index);
      peer.work();
      const answers = Array.from({ length: 8 }, () => peer.takeAnswer());
      expect(answers.map((answer) => answer.cookie)).to.deep.equal([7, 3, 0, 2, 6, 5, 1, 4]);
      for (const { cookie, data } of answers) {
        expect(data.subarray(8).equals(store.bytes.subarray(cookie * 512, cookie * 512 + 512))).to.equal(true);
      }
    });

    it("sends the replies of one turn together", () => {
      peer.hold = true;
      peer.give(command(flush), command(flush), command(read, { length: 512 }));
      expect(peer.sending.length).to.equal(1);
    });

    it("takes no further bytes while data under way uses up its room", () => {
      peer.close();
      peer = new Peer([{ name: "", store, maximumPayload: 128 * KIB }], { bytesInFlight: 256 * KIB }).connect();
      peer.hold = true;
      const one = { length: 64 * KIB };
      peer.give(...[1, 2, 3].map((cookie) => command(read, { ...one, cookie })));
      expect([peer.paused, peer.session.inFlight]).to.deep.equal([false, 3]);
      peer.give(command(write, { cookie: 4, payload: pattern(128 * KIB) }), command(flush, { cookie: 5 }));
      expect([peer.paused, store.asked.length]).to.deep.equal([true, 3]);
      peer.hold = false;
      peer.deliver();
      peer.work();
      expect([peer.paused, store.asked.length, peer.session.inFlight]).to.deep.equal([false, 5, 0]);
    });

    it("takes no further requests while 256 are not answered", () => {
      peer.hold = true;
      peer.give(Buffer.concat(Array.from({ length: 300 }, (_, cookie) => command(flush, { cookie }))));
      expect([peer.paused, peer.session.inFlight]).to.deep.equal([true, 256]);
      peer.hold = false;
      peer.deliver();
      peer.work();
      expect([peer.paused, peer.received.length]).to.deep.equal([false, 300 * SimpleReply.size]);
    });

    it("does not grow the stack with requests that all end at once", () => {
      const many = Buffer.concat(Array.from({ length: 20_000 }, () => command(flush)));
      peer.give(many);
      expect(peer.received.length).to.equal(20_000 * SimpleReply.size);
    });
  });

  it("uses pages of the memory it is given, and gives them back in the end", () => {
    let allocated = 0;
    const memory = {
      pageSize: 4096,
      allocate: (pages: number) => Array.from({ length: pages }, () => new Uint8Array(4096).fill(++allocated)),
      free: (pages: readonly Uint8Array[]) => {
        allocated -= pages.length;
      },
    };
    reconnect({ memory });
    const payload = pattern(10_000, 8);
    expect(peer.ask(write, { offset: 100, payload }).error).to.equal(0);
    const answer = peer.ask(read, { offset: 99, length: 10_002 });
    expect(answer.data.subarray(8).equals(store.bytes.subarray(99, 10_101))).to.equal(true);
    expect([allocated, store.bytes[100], store.bytes[10_099]]).to.deep.equal([3, payload[0], payload[9999]]);
    peer.exports[0].pages.close();
    expect(allocated).to.equal(0);
  });

  describe("the end of a connection", () => {
    it("lets requests in the store finish, and takes all back", () => {
      store.hold = true;
      peer.issue(read, { length: 100_000 });
      peer.issue(write, { payload: pattern(512) });
      peer.issue(writeZeroes, { length: MIB, flags: noHole });
      peer.give(command(write, { length: 4096 }), pattern(100));
      peer.session.closed();
      expect(peer.overs).to.equal(0);
      while (store.held.length > 0) store.complete();
      peer.work();
      expect([peer.overs, peer.received.length]).to.deep.equal([1, 0]);
      peer.expectNothingHeld();
      expect(
        store.bytes.subarray(0, 512).every((byte) => byte === 0),
        "the write was not cancelled",
      ).to.equal(true);
    });

    it("takes back what was answered and never left", () => {
      peer.hold = true;
      peer.issue(read, { length: 100_000 });
      peer.session.closed();
      expect(peer.overs, "the bytes are still lent").to.equal(0);
      peer.deliver();
      expect(peer.overs).to.equal(1);
      peer.expectNothingHeld();
      peer.take(peer.received.length);
    });

    it("by our shutdown comes after the last reply", () => {
      store.hold = true;
      peer.issue(read, { length: 512 });
      peer.give(command(write, { length: 4096 }), pattern(100));
      peer.session.shutdown();
      peer.issue(flush);
      expect([peer.ended, peer.session.inFlight]).to.deep.equal([false, 1]);
      store.complete();
      peer.work();
      expect([peer.ended, peer.takeAnswer().type]).to.deep.equal([true, ChunkType.offsetData]);
    });
  });
});
