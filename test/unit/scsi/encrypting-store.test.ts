// What is only of a store that encrypts: what lies below it, whole blocks, pieces, and what it cannot do.

import { encrypting, MemoryStore, NullStore, StoreError, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { ChangingCipher } from "../../support/changing-cipher.js";
import { HeldStore } from "../../support/held-store.js";
import { pattern } from "./initiator.js";

type Asked = Partial<Pick<StoreRequest, "operation" | "offset" | "length" | "fua">>;

function requestOf(bytes: Uint8Array, asked: Asked): StoreRequest {
  const request = new StoreRequest();
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  return Object.assign(request, { length: bytes.length }, asked);
}

function ask(store: { submit(request: StoreRequest): void }, bytes: Uint8Array, asked: Asked): StoreRequest {
  const request = requestOf(bytes, asked);
  store.submit(request);
  return request;
}

describe("a store that encrypts", () => {
  it("keeps nothing as it was written, each block by its number, and zeros where nothing was", () => {
    const inner = new MemoryStore(1 << 20);
    const store = encrypting(inner, new ChangingCipher(), 512);
    const block = new Uint8Array(1024).fill(7);
    expect(ask(store, block, { operation: "write", offset: 4096 }).error).to.equal(null);
    const kept = new Uint8Array(2048);
    ask(inner, kept, { operation: "read", offset: 4096 });
    expect(kept.subarray(0, 512)).to.not.deep.equal(block.subarray(0, 512));
    expect(kept.subarray(0, 512)).to.not.deep.equal(kept.subarray(512, 1024));
    expect(kept.subarray(1024).every((byte) => byte === 0)).to.equal(true);
    const read = new Uint8Array(2048);
    ask(store, read, { operation: "read", offset: 4096 });
    expect(read.subarray(0, 1024)).to.deep.equal(block);
    expect(read.subarray(1024).every((byte) => byte === 0)).to.equal(true);
  });

  it("reads a part of the last block, for who has less room", () => {
    const store = encrypting(new MemoryStore(1 << 20), new ChangingCipher(), 512);
    const bytes = pattern(1024);
    ask(store, bytes, { operation: "write", offset: 1024 });
    const room = new Uint8Array(700).fill(9);
    expect(ask(store, room, { operation: "read", offset: 1024, length: 600 }).error).to.equal(null);
    expect(room.subarray(0, 600)).to.deep.equal(bytes.subarray(0, 600));
    expect(room.subarray(600).every((byte) => byte === 9)).to.equal(true);
  });

  it("moves what is longer than a piece, at once and later", () => {
    const held = new HeldStore(8 << 20, { holding: false });
    const store = encrypting(held, new ChangingCipher(), 4096);
    const bytes = pattern(5 << 19);
    expect(ask(store, bytes, { operation: "write", offset: 8192, fua: true }).error).to.equal(null);
    expect(held.seen).to.deep.equal(["write+fua", "write+fua", "write+fua"]);
    held.holding = true;
    const back = new Uint8Array(bytes.length);
    let ends = 0;
    const request = requestOf(back, { operation: "read", offset: 8192 });
    request.completed = () => {
      ends += 1;
    };
    store.submit(request);
    for (let i = 0; i < 3; i++) {
      expect(ends).to.equal(0);
      held.release();
    }
    expect(ends).to.equal(1);
    expect(back).to.deep.equal(bytes);
  });

  it("ends with the error of the store below, and cancels there", () => {
    const held = new HeldStore(1 << 20);
    const store = encrypting(held, new ChangingCipher(), 512);
    const request = ask(store, pattern(512), { operation: "write" });
    store.cancel(request);
    expect(held.cancelled).to.deep.equal(held.held);
    const worn = new StoreError("medium", "worn out", { offset: 0 });
    held.release(worn);
    expect(request.error).to.equal(worn);
  });

  it("takes whole blocks only, but for the end of a read", () => {
    const store = encrypting(new MemoryStore(1 << 20), new ChangingCipher(), 512);
    for (const operation of ["read", "write", "discard", "write-zeroes"] as const) {
      const { error } = ask(store, new Uint8Array(256), { operation });
      expect(error?.failure, operation).to.equal(operation === "read" ? undefined : "out-of-range");
      expect(ask(store, new Uint8Array(512), { operation, offset: 1 }).error?.failure).to.equal("out-of-range");
    }
  });

  it("has what the store below has, and a key", () => {
    const { features } = encrypting(new MemoryStore(1 << 20), new ChangingCipher(), 512);
    expect(features).to.include({ discard: true, changesKey: true, atomicWrite: 1 << 20 });
    expect(encrypting(new NullStore(512), new ChangingCipher(), 512).features).to.include({
      discard: false,
      atomicWrite: 0,
    });
  });
});
