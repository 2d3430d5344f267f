// Knows what every `ByteStore` keeps to, whatever keeps its bytes and whenever it completes.

import { setImmediate } from "node:timers/promises";
import { type ByteStore, type StoreError, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

/** Bytes of the stores under test. */
export const STORE_SIZE = 256 * 1024;

export interface OpenedStore {
  /** Of `STORE_SIZE` bytes, all zero. */
  readonly store: ByteStore;
  /** Bytes of a block, where only whole blocks are taken; default 1. */
  readonly unit?: number;
  /** Lets what is under way go on, for stores that do not go on by themselves. */
  readonly pump?: () => void;
  /** Gives back what the factory took; the store is closed by then. */
  readonly dispose?: () => void | Promise<void>;
}

/** Declares the suite for the stores that `open` makes. Their bytes can be written. */
export function byteStoreContract(name: string, open: () => OpenedStore | Promise<OpenedStore>): void {
  describe(`the contract of a byte store: ${name}`, () => {
    let user: StoreUser;
    let opened: OpenedStore;
    /** The same in whole blocks of the store. */
    const down = (bytes: number): number => bytes - (bytes % (opened.unit ?? 1));
    const up = (bytes: number): number => down(bytes + (opened.unit ?? 1) - 1);

    beforeEach(async () => {
      opened = await open();
      user = new StoreUser(opened);
    });

    afterEach(async () => {
      await user.close();
      await opened.dispose?.();
    });

    it("has the size it was made with, and zeros", async () => {
      expect(opened.store.size).to.equal(STORE_SIZE);
      expect(isZero(await user.read(0, STORE_SIZE))).to.equal(true);
    });

    it("reads what was written, at any offset and length", async () => {
      for (const [at, bytes] of [
        [0, 4096],
        [512, 512],
        [4095, 2],
        [1, 9000],
        [STORE_SIZE - 3, 3],
      ] as const) {
        const [offset, length] = [down(at), up(bytes)];
        const data = pattern(length, offset);
        await user.write(offset, data);
        expect(await user.read(offset, length)).to.deep.equal(data);
      }
    });

    it("moves data of many pieces, in their order", async () => {
      const data = pattern(10_240, 5);
      await user.good(user.request("write", down(700), places(data, [4096, 1, 511, 3000, 2632])));
      const back = new Uint8Array(10_240);
      await user.good(user.request("read", down(700), places(back, [100, 8192, 1948])));
      expect(back).to.deep.equal(data);
    });

    it("touches nothing around a piece", async () => {
      await user.write(0, pattern(8192, 1));
      const page = new Uint8Array(4096).fill(0xee);
      const list = new Places();
      const end = 1000 + up(96);
      list.add(page, 1000, up(96));
      await user.good(user.request("read", 512, list));
      expect(page.subarray(1000, end)).to.deep.equal(pattern(8192, 1).subarray(512, 512 + up(96)));
      expect(page.subarray(0, 1000).every((byte) => byte === 0xee)).to.equal(true);
      expect(page.subarray(end).every((byte) => byte === 0xee)).to.equal(true);
    });

    it("ends many requests at once, each exactly once", async () => {
      const requests = Array.from({ length: 32 }, (_, i) => user.request("write", i * 4096, places(pattern(4096, i))));
      for (const request of requests) user.submit(request);
      await user.settle();
      for (let i = 0; i < 32; i++) expect(await user.read(i * 4096, 4096)).to.deep.equal(pattern(4096, i));
    });

    it("takes the next request from the completion of one", async () => {
      const second = user.request("write", 4096, places(pattern(4096, 2)));
      const first = user.request("write", 0, places(pattern(4096, 1)));
      user.after(first, () => user.submit(second));
      user.submit(first);
      await user.settle();
      expect(await user.read(0, 8192)).to.deep.equal(Uint8Array.of(...pattern(4096, 1), ...pattern(4096, 2)));
    });

    it("flushes, and writes durably", async () => {
      const request = user.request("write", 0, places(pattern(4096, 3)));
      request.fua = true;
      await user.good(request);
      await user.good(user.request("flush", 0, new Places()));
    });

    it("refuses what is not inside it, and changes nothing", async () => {
      await user.write(STORE_SIZE - 4096, pattern(4096, 1));
      for (const operation of ["read", "write"] as const) {
        const error = await user.perform(user.request(operation, STORE_SIZE - 512, places(new Uint8Array(1024))));
        expect(error?.failure).to.equal("out-of-range");
      }
      for (const operation of ["discard", "write-zeroes", "extents"] as const) {
        const error = await user.perform(user.ranged(operation, STORE_SIZE - 512, 1024));
        expect(error?.failure).to.equal("out-of-range");
      }
      expect(await user.read(STORE_SIZE - 4096, 4096)).to.deep.equal(pattern(4096, 1));
    });

    it("makes zeros, of whole pages and of parts", async () => {
      const operations: StoreOperation[] = opened.store.features.discard
        ? ["write-zeroes", "discard"]
        : ["write-zeroes"];
      for (const operation of operations) {
        await user.write(0, pattern(32_768, 1));
        await user.good(user.ranged(operation, down(5000), up(20_000)));
        const expected = pattern(32_768, 1).fill(0, down(5000), down(5000) + up(20_000));
        expect(await user.read(0, 32_768)).to.deep.equal(expected);
      }
    });

    it("tells extents that cover what was asked, without a gap, and whose holes are zeros", async () => {
      await user.write(65_536, pattern(65_536, 1));
      await user.good(user.ranged("write-zeroes", down(90_000), up(20_000)));
      const request = user.ranged("extents", down(5000), up(200_000));
      await user.good(request);
      let at = down(5000);
      for (const { offset, length, state } of request.extents) {
        expect(offset).to.equal(at);
        expect(length).to.be.greaterThan(0);
        if (state === "hole") expect(isZero(await user.read(offset, length))).to.equal(true);
        at += length;
      }
      expect(at).to.equal(down(5000) + up(200_000));
    });

    it("ends a cancelled request exactly once, and takes cancelling what has ended", async () => {
      const request = user.request("read", 0, places(new Uint8Array(4096)));
      user.submit(request);
      opened.store.cancel(request);
      await user.settle();
      expect(request.error?.failure ?? "cancelled").to.equal("cancelled");
      opened.store.cancel(request);
      await user.settle();
    });

    it("is the same as an array of bytes", async () => {
      const action = fc.tuple(
        fc.constantFrom<StoreOperation>("read", "write", "write-zeroes", "discard"),
        fc.nat(STORE_SIZE - 1),
        fc.integer({ min: 1, max: 20_000 }),
        fc.nat(255),
      );
      const model = new Uint8Array(STORE_SIZE);
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 20 }), async (actions) => {
          for (const [operation, at, longest, seed] of actions) {
            const offset = down(at);
            const length = up(Math.min(longest, STORE_SIZE - offset));
            if (operation === "read") {
              expect(await user.read(offset, length)).to.deep.equal(model.slice(offset, offset + length));
            } else if (operation === "write") {
              await user.write(offset, pattern(length, seed));
              model.set(pattern(length, seed), offset);
            } else if (operation === "write-zeroes" || opened.store.features.discard) {
              await user.good(user.ranged(operation, offset, length));
              model.fill(0, offset, offset + length);
            }
          }
        }),
        { numRuns: 20 },
      );
    });
  });
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * (2 * seed + 1) + (i >>> 8) + seed + 1) & 0xff);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** `bytes` cut into pieces of these sizes. */
function places(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Places {
  const list = new Places();
  let at = 0;
  for (const size of sizes) {
    list.add(bytes, at, size);
    at += size;
  }
  return list;
}

/** Submits requests and counts how often each ends. */
class StoreUser {
  readonly #opened: OpenedStore;
  readonly #ends = new Map<StoreRequest, number>();
  readonly #then = new Map<StoreRequest, () => void>();
  #underWay = 0;

  constructor(opened: OpenedStore) {
    this.#opened = opened;
  }

  request(operation: StoreOperation, offset: number, list: Places): StoreRequest {
    const request = this.ranged(operation, offset, list.length);
    request.places = list;
    return request;
  }

  ranged(operation: StoreOperation, offset: number, length: number): StoreRequest {
    const request = new StoreRequest();
    Object.assign(request, { operation, offset, length });
    request.completed = () => {
      const ends = (this.#ends.get(request) ?? 0) + 1;
      this.#ends.set(request, ends);
      expect(ends, "times the request ended").to.equal(1);
      this.#underWay -= 1;
      this.#then.get(request)?.();
    };
    return request;
  }

  after(request: StoreRequest, then: () => void): void {
    this.#then.set(request, then);
  }

  submit(request: StoreRequest): void {
    this.#underWay += 1;
    this.#opened.store.submit(request);
  }

  /** Waits until everything has ended. */
  async settle(): Promise<void> {
    while (this.#underWay > 0) {
      this.#opened.pump?.();
      await setImmediate();
    }
  }

  async perform(request: StoreRequest): Promise<StoreError | null> {
    this.submit(request);
    await this.settle();
    return request.error;
  }

  async good(request: StoreRequest): Promise<void> {
    expect(await this.perform(request)).to.equal(null);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length).fill(0xaa);
    await this.good(this.request("read", offset, places(bytes)));
    return bytes;
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.good(this.request("write", offset, places(data)));
  }

  async close(): Promise<void> {
    await this.settle();
    let closed = false;
    const closing = this.#opened.store.close().finally(() => {
      closed = true;
    });
    while (!closed) {
      this.#opened.pump?.();
      await setImmediate();
    }
    await closing;
  }
}
