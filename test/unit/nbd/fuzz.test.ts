import { CommandFlag, CommandType, ERRORS, OptionType } from "@pvscsi/nbd";
import { expect } from "chai";
import * as fc from "fast-check";
import { ModelStore } from "./model-store.js";
import { command, contextData, fullHandshake, greetingReply, infoData, option, Peer } from "./peer.js";

const SIZE = 64 * 1024;

function peerOf(store: ModelStore): Peer {
  return new Peer([{ name: "", store, maximumPayload: SIZE }], { bytesInFlight: 128 * 1024 });
}

/** A session with each option and command once. */
function everything(): Buffer {
  const { read, write, disconnect, flush, trim, cache, writeZeroes, blockStatus } = CommandType;
  return Buffer.concat([
    greetingReply(),
    option(OptionType.list),
    option(99, Buffer.from("unknown")),
    option(OptionType.structuredReply),
    option(OptionType.listMetaContext, contextData("")),
    option(OptionType.setMetaContext, contextData("", "base:allocation")),
    option(OptionType.info, infoData("", 1, 2, 3)),
    option(OptionType.go, infoData("")),
    command(write, { cookie: 1, offset: 5, payload: Buffer.from("some bytes to be written") }),
    command(read, { cookie: 2, length: 40 }),
    command(write, { cookie: 3, offset: SIZE, payload: Buffer.from("beyond the end") }),
    command(flush, { cookie: 4 }),
    command(trim, { cookie: 5, length: 4 }),
    command(cache, { cookie: 6, length: 4 }),
    command(writeZeroes, { cookie: 7, offset: 10, length: 3, flags: CommandFlag.noHole }),
    command(blockStatus, { cookie: 8, length: SIZE }),
    command(read, { cookie: 9, length: 40 }),
    command(disconnect),
  ]);
}

describe("nbd session under any bytes", () => {
  it("does the same wherever the stream is cut", () => {
    const bytes = everything();
    const run = (...parts: readonly Uint8Array[]): string => {
      const peer = peerOf(new ModelStore(SIZE));
      for (const part of parts) peer.give(part);
      expect(peer.ended).to.equal(true);
      peer.close();
      return peer.received.toString("latin1");
    };
    const whole = run(bytes);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(run(bytes.subarray(0, cut), bytes.subarray(cut)) === whole, `cut at ${cut}`).to.equal(true);
    }
    expect(run(...Array.from(bytes, (byte) => Uint8Array.of(byte))) === whole, "byte by byte").to.equal(true);
  });

  it("survives any bytes after the greeting and holds nothing afterwards", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (parts) => {
        const peer = peerOf(new ModelStore(SIZE)).give(...parts);
        peer.close();
      }),
      { numRuns: 300 },
    );
  });

  it("survives one damaged byte anywhere in a session", () => {
    const bytes = everything();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(bytes);
        damaged[at] ^= change;
        const peer = peerOf(new ModelStore(SIZE)).give(damaged);
        peer.close();
      }),
      { numRuns: 500 },
    );
  });

  it("survives any option and any data", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.uint8Array({ maxLength: 40 })), { maxLength: 6 }), (options) => {
        const peer = peerOf(new ModelStore(SIZE)).give(greetingReply());
        for (const [type, data] of options) peer.give(option(type, data));
        peer.close();
      }),
      { numRuns: 300 },
    );
  });

  const request = fc.record({
    type: fc.nat(8),
    flags: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(31) }),
    offset: fc.oneof({ weight: 6, arbitrary: fc.nat(SIZE) }, { weight: 1, arbitrary: fc.bigInt(0n, (1n << 64n) - 1n) }),
    length: fc.nat(3000),
  });
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("request" as const), request }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("complete" as const), index: fc.nat(1000) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("deliver" as const) }) },
  );

  it("answers every request once, in any order of completion and delivery", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const store = new ModelStore(SIZE);
        const peer = peerOf(store).give(fullHandshake());
        peer.takeGreeting();
        peer.takeOptions();
        store.hold = true;
        peer.hold = true;
        const types: number[] = [];
        for (const each of actions) {
          if (each.kind === "request") issue(peer, types, each.request);
          else if (each.kind === "deliver") peer.deliver();
          else if (store.held.length > 0) store.complete(each.index % store.held.length);
          peer.work();
        }
        store.hold = false;
        peer.hold = false;
        while (store.held.length > 0 || peer.sending.length > 0) {
          if (store.held.length > 0) store.complete();
          peer.deliver();
          peer.work();
        }
        expectAnswers(peer, types);
        peer.close();
      }),
      { numRuns: 200 },
    );
  });

  function issue(peer: Peer, types: number[], each: RequestShape): void {
    const { type, flags, offset, length } = each;
    if (type === CommandType.disconnect) return;
    const cookie = types.push(type) - 1;
    const payload = type === CommandType.write ? { payload: Buffer.alloc(length, cookie) } : { length };
    peer.give(command(type, { flags, offset, cookie, ...payload }));
  }

  function expectAnswers(peer: Peer, types: readonly number[]): void {
    const seen = new Set<number>();
    const codes = new Set([0, ...Object.values(ERRORS).map((error) => error.code)]);
    while (peer.received.length > 0) {
      const { cookie, error } = peer.takeAnswer();
      expect(seen.has(cookie), `request ${cookie} answered twice`).to.equal(false);
      expect(codes.has(error)).to.equal(true);
      seen.add(cookie);
    }
    expect(seen.size).to.equal(types.length);
  }
});

interface RequestShape {
  readonly type: number;
  readonly flags: number;
  readonly offset: number | bigint;
  readonly length: number;
}
