// Reads of a file whose bytes are in memory: at once where all are there, else by a thread, as without a cache.

import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OpenFiles, openFileStore, type ReadCache } from "@pvscsi/host";
import { expect } from "chai";
import { nativeFiles } from "../../support/native-holes.js";
import { bytesOf, placesOf, prepared, temporaryFolder } from "./support.js";

const DATA = randomBytes(1 << 20);

/** A cache of 8192 bytes at most that has what `counts` say, read after read. */
class ScriptedCache implements ReadCache {
  readonly bytes = new Uint8Array(8192);
  readonly asked: string[] = [];
  readonly #counts: readonly number[];

  constructor(counts: readonly number[]) {
    this.#counts = counts;
  }

  read(_descriptor: number, offset: number, length: number): number {
    this.bytes.set(DATA.subarray(offset, offset + length));
    return this.#counts[this.asked.push(`${offset}+${length}`) - 1];
  }
}

describe("what a file has in memory", () => {
  const folder = temporaryFolder();
  const path = (): string => join(folder(), "disk.img");

  beforeEach(() => writeFileSync(path(), DATA));

  /** Reads these lengths at 4096 into two pieces; says of each when it ended, having seen to it that the bytes are right. */
  async function read(cache: ReadCache, lengths: readonly number[]): Promise<string[]> {
    const openFiles = new OpenFiles();
    const store = await openFileStore(path(), { access: "read-write", sync: "writeback", openFiles, cache });
    const found: string[] = [];
    for (const length of lengths) {
      const places = placesOf(100, length - 100);
      let submitting = true;
      await new Promise<void>((resolve) => {
        const asked = { operation: "read", offset: 4096, places } as const;
        store.submit(
          prepared(asked, ({ error }) => {
            found.push(error?.message ?? (submitting ? "at once" : "later"));
            resolve();
          }),
        );
        submitting = false;
      });
      expect(bytesOf(places).equals(DATA.subarray(4096, 4096 + length)), `${length}`).to.equal(true);
    }
    await store.close();
    return found;
  }

  it("is read at once where it is all of a read, and not where it is a part or nothing", async () => {
    const cache = new ScriptedCache([4096, 0, 1000, 8192]);
    expect(await read(cache, [4096, 4096, 4096, 8192])).to.deep.equal(["at once", "later", "later", "at once"]);
  });

  it("is not asked for by a read that is longer than the cache takes", async () => {
    const cache = new ScriptedCache([]);
    expect(await read(cache, [8193])).to.deep.equal(["later"]);
    expect(cache.asked).to.deep.equal([]);
  });

  it("is not asked for again where the file system does not tell", async () => {
    const cache = new ScriptedCache([-1, 4096]);
    expect(await read(cache, [4096, 4096])).to.deep.equal(["later", "later"]);
    expect(cache.asked).to.deep.equal(["4096+4096"]);
  });

  it("is what the kernel has, where koffi is there", async function () {
    const native = await nativeFiles();
    if (native === null) this.skip();
    const { cache } = native;
    const descriptor = openSync(path(), "r");
    // What was written a moment ago is there; a file system that does not tell says so.
    const count = cache.read(descriptor, 4096, 5000);
    expect(count).to.be.oneOf([5000, -1]);
    if (count > 0) expect(Buffer.from(cache.bytes.subarray(0, count)).equals(DATA.subarray(4096, 9096))).to.equal(true);
    expect(cache.read(descriptor, DATA.length - 10, 100)).to.be.oneOf([10, -1]);
    expect(cache.read(descriptor, DATA.length, 100)).to.be.oneOf([0, -1]);
    closeSync(descriptor);
    const directory = openSync(folder(), "r");
    expect(cache.read(directory, 0, 100)).to.equal(-1);
    closeSync(directory);
  });
});
