// Tests the two addresses of a guest's memory, and regions that are larger than any view, in files that are mostly holes.

import { fstatSync, ftruncateSync, openSync, readFileSync, rmSync } from "node:fs";
import type { Native } from "@pvscsi/native";
import { type RegionDescription, RegionMemory } from "@pvscsi/vhost-user";
import { Places, ProtocolError } from "@pvscsi/wire";
import { expect } from "chai";
import { mappings, openFiles, USER_ADDRESS as USER } from "./front-end.js";
import { nativeOrNull } from "./world.js";

const PAGE = 4096;
const GIB = 2 ** 30;

describe("the memory of a vhost-user guest", () => {
  let native: Native;
  let file = -1;
  let memory: RegionMemory | null = null;
  let openBefore: number;

  before(async function () {
    const loaded = await nativeOrNull();
    if (loaded === null) return this.skip();
    native = loaded;
  });

  beforeEach(() => {
    openBefore = openFiles();
  });

  afterEach(() => {
    memory?.release();
    memory = null;
    if (file >= 0) native.close(file);
    file = -1;
    expect(mappings("regions")).to.equal(0);
    expect(openFiles()).to.equal(openBefore);
  });

  const region = (parts: Partial<RegionDescription>): RegionDescription => ({
    guestAddress: 0,
    size: PAGE,
    userAddress: USER,
    fileOffset: 0,
    ...parts,
  });
  const map = (length: number, ...regions: readonly RegionDescription[]): RegionMemory => {
    file = native.newMemory("regions", length);
    memory = RegionMemory.map(
      native,
      regions.map((description) => ({ description, descriptor: file })),
    );
    return memory;
  };
  /** Writes a byte of the file behind the mappings' back. */
  const poke = (offset: number, value: number): void => {
    const page = native.map(file, offset - (offset % PAGE), PAGE, "read-write");
    page.bytes[offset % PAGE] = value;
    page.release();
  };
  const bytesAt = (address: number, length: number): Uint8Array | null => {
    const places = new Places();
    if (memory?.places(address, length, places) !== true) return null;
    const bytes = new Uint8Array(length);
    places.read(bytes);
    return bytes;
  };

  it("is found by the guest's address and by the front end's", () => {
    // As QEMU's q35: below 2 GiB, and from 4 GiB on, of one file.
    const low = region({ size: 8 * PAGE });
    const high = region({ guestAddress: 4 * GIB, size: 8 * PAGE, userAddress: USER + 8 * PAGE, fileOffset: 8 * PAGE });
    const both = map(16 * PAGE, low, high);
    poke(3 * PAGE, 1);
    poke(9 * PAGE, 2);
    expect([bytesAt(3 * PAGE, 1)?.[0], bytesAt(4 * GIB + PAGE, 1)?.[0]]).to.deep.equal([1, 2]);
    expect([both.area(USER + 3 * PAGE, 1)?.[0], both.area(USER + 9 * PAGE, 1)?.[0]]).to.deep.equal([1, 2]);
    expect(bytesAt(8 * PAGE, 1)).to.equal(null);
  });

  it("H7: is no byte outside its regions, wherever it is asked for", () => {
    const one = map(4 * PAGE, region({ guestAddress: PAGE, size: 2 * PAGE }));
    for (const [address, length] of [
      [0, 1],
      [PAGE - 1, 2],
      [3 * PAGE - 1, 2],
      [3 * PAGE, 1],
      [PAGE, 2 * PAGE + 1],
      [PAGE, 2 ** 32],
      [2 ** 53 - 1, 1],
      [2 ** 53 - PAGE, 2 * PAGE],
      [Number.POSITIVE_INFINITY, 1],
    ]) {
      expect(bytesAt(address, length > PAGE * 4 ? PAGE * 4 : length), `${address}+${length}`).to.equal(null);
      expect(one.places(address, length, new Places()), `${address}+${length}`).to.equal(false);
    }
    expect(bytesAt(PAGE, 2 * PAGE)).to.have.length(2 * PAGE);
    for (const address of [0, USER - 1, USER + 2 * PAGE, USER + 2 * PAGE - 1, 2 ** 53 - 1]) {
      expect(one.area(address, 2), `${address}`).to.equal(null);
    }
  });

  it("H7: is one piece across two regions whose addresses follow each other", () => {
    map(
      4 * PAGE,
      region({ fileOffset: 2 * PAGE }),
      region({ guestAddress: PAGE, fileOffset: 0, userAddress: USER + GIB }),
    );
    poke(3 * PAGE - 1, 7);
    poke(0, 8);
    expect(bytesAt(PAGE - 1, 2)).to.deep.equal(Uint8Array.of(7, 8));
    expect(memory?.area(USER + PAGE - 1, 2)).to.equal(null);
  });

  it("may be larger than any view", () => {
    const large = map(10 * GIB, region({ guestAddress: 4 * GIB, size: 10 * GIB }));
    const borders = [1, 2, 3, 4, 5, 9].map((gib) => gib * GIB);
    for (const [i, border] of borders.entries()) {
      poke(border - 1, i + 1);
      poke(border, i + 101);
    }
    for (const [i, border] of borders.entries()) {
      expect(bytesAt(4 * GIB + border - 1, 2), `at ${border}`).to.deep.equal(Uint8Array.of(i + 1, i + 101));
      // A ring's area lies in one piece all the same.
      expect(large.area(USER + border - 1, 2), `at ${border}`).to.deep.equal(Uint8Array.of(i + 1, i + 101));
      large.area(USER + border - 100, 32768 * 16)![99] = 55;
      expect(bytesAt(4 * GIB + border - 1, 1)?.[0]).to.equal(55);
    }
    const places = new Places();
    expect(large.places(4 * GIB + 10, 3 * GIB, places)).to.equal(true);
    expect([places.count, places.length]).to.deep.equal([4, 3 * GIB]);
    expect(large.places(14 * GIB - 1, 1, places)).to.equal(true);
    expect(large.places(14 * GIB - 1, 2, places)).to.equal(false);
  });

  it("is not more than the file", () => {
    expect(() => map(4 * PAGE, region({ size: 5 * PAGE }))).to.throw(ProtocolError, "16384 bytes");
    native.close(file);
    expect(() => map(4 * PAGE, region({}), region({ fileOffset: 3 * PAGE, size: 2 * PAGE }))).to.throw(ProtocolError);
    native.close(file);
    expect(() => map(4 * GIB + PAGE, region({ size: 4 * GIB + 2 * PAGE }))).to.throw(ProtocolError);
  });

  it("is not more than a process can map, whatever the file says of its length", () => {
    expect(() => map(2 ** 50, region({ size: 2 ** 50 }))).to.throw(ProtocolError, "1125899906842624 bytes together");
    native.close(file);
    expect(() => map(2 ** 50, region({ size: PAGE, fileOffset: 2 ** 50 - PAGE }))).to.throw(ProtocolError);
  });

  it("is refused where it is no file that can be mapped", () => {
    file = native.events.create();
    const regions = [{ description: region({}), descriptor: file }];
    expect(() => RegionMemory.map(native, regions)).to.throw(ProtocolError, "cannot be mapped");
  });

  it("may lie in huge pages, where a mapping ends with its last page only", function () {
    const folder = /^\S+ (\S+) hugetlbfs /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
    const free = Number(/HugePages_Free: +(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
    // As on most machines.
    if (folder === undefined || free < 4) return this.skip();
    const path = `${folder}/pvscsi-test-${process.pid}`;
    file = openSync(path, "w+");
    rmSync(path);
    const length = 2 * fstatSync(file).blksize;
    ftruncateSync(file, length);
    // As below and above the memory of a PC's display.
    const low = region({ size: 0xa_0000 });
    const high = region({ guestAddress: 0xc_0000, size: length - 0xc_0000, fileOffset: 0xc_0000 });
    memory = RegionMemory.map(
      native,
      [low, high].map((description) => ({ description, descriptor: file })),
    );
    const places = new Places();
    expect(memory.places(0xc_0000, PAGE, places)).to.equal(true);
    places.fill(7);
    memory.release();
    expect(places.view(0)[0]).to.equal(0);
  });

  it("is zeros for whoever has a view of it when it has ended", () => {
    const ended = map(2 * PAGE, region({}));
    poke(5, 9);
    const area = ended.area(USER, 16)!;
    expect(area[5]).to.equal(9);
    ended.release();
    expect(area[5]).to.equal(0);
    area[5] = 3;
    expect(mappings("regions")).to.equal(0);
  });
});
