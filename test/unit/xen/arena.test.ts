// Tests a domain's memory in an arena: what another thread sees of it, and that a page outlives its domain's use of it for
// as long as it is granted.

import { nullProbes, Simulation, seededRandom } from "@pvscsi/wire";
import {
  Arena,
  ArenaPages,
  connectInProcess,
  Hypervisor,
  type InProcessDomain,
  PAGE_SIZE,
  SharedGrantEntries,
  Xenstored,
} from "@pvscsi/xen";
import { expect } from "chai";

const SIZE = { memoryPages: 8, grantFrames: 2 };

/** A domain, and what another thread makes of its arena. */
function domain(): { readonly own: InProcessDomain; readonly pages: ArenaPages; readonly entries: SharedGrantEntries } {
  const simulation = new Simulation(seededRandom(1));
  const parts = { scheduler: simulation, clock: simulation, probes: nullProbes };
  const hypervisor = new Hypervisor({ ...parts, sharedMemory: true });
  const store = connectInProcess(new Xenstored(parts), { domain: 1, privileged: false }, parts.scheduler);
  const own = hypervisor.createDomain({ id: 1, store, ...SIZE });
  const seen = new Arena(structuredClone(describeArena(own)));
  return { own, pages: new ArenaPages(seen), entries: new SharedGrantEntries(seen) };
}

function describeArena({ arena }: InProcessDomain) {
  if (arena === null) throw new Error("the domain has no arena");
  const { buffer, memoryPages, grantFrames } = arena;
  return { buffer, memoryPages, grantFrames };
}

describe("an arena", () => {
  it("shows a domain's pages as they are, and no others", () => {
    const { own, pages } = domain();
    const [first, second] = own.allocatePages(2);
    first.bytes.fill(1);
    second.bytes.fill(2);
    expect(pages.find(second.frame)?.bytes).to.deep.equal(new Uint8Array(PAGE_SIZE).fill(2));
    expect(pages.find(second.frame)?.bytes, "the same each time").to.equal(pages.find(second.frame)?.bytes);
    own.freePages([second]);
    const others = [second.frame, 7, 8, 9, 2 ** 31, 2 ** 32 - 1];
    for (const frame of others) expect(pages.find(frame), String(frame)).to.equal(undefined);
    expect([pages.allocated, pages.retained]).to.deep.equal([1, 0]);
  });

  it("has all of a domain's pages, and no more", () => {
    const { own, pages } = domain();
    const all = own.allocatePages(SIZE.memoryPages);
    expect(all.every(({ frame }) => pages.find(frame) !== undefined)).to.equal(true);
    expect(() => own.allocatePages(1)).to.throw();
    own.freePages(all);
    expect(own.allocatePages(SIZE.memoryPages).every(({ bytes }) => bytes.every((byte) => byte === 0))).to.equal(true);
  });

  it("shows each entry of the grant table, as the table grows, until it is full", () => {
    const { own, entries } = domain();
    const [page] = own.allocatePages(1);
    expect(entries.entries).to.equal(512);
    const references: number[] = [];
    for (let r = own.grants.grant(2, page, "read-only"); r >= 0; r = own.grants.grant(2, page, "read-only")) {
      references.push(r);
    }
    expect(references).to.have.length(2 * 512 - 8);
    expect(entries.entries).to.equal(1024);
    expect(entries.describe()).to.deep.equal(own.table.describe());
    expect(entries.granted).to.equal(references.length);
    expect(own.grants.revoke(references[1000])).to.equal(true);
    expect(entries.describe()).to.deep.equal(own.table.describe());
  });

  it("refuses to end a grant that another thread has taken into use, until that ends", () => {
    const { own, entries } = domain();
    const reference = own.grants.grant(2, own.allocatePages(1)[0], "read-write");
    expect(entries.isGranted(reference)).to.equal(true);
    entries.setUse(reference, 0xff);
    expect(own.table.describe()[0]).to.include({ reference, to: 2, inUse: true });
    expect(own.grants.revoke(reference)).to.equal(false);
    entries.endUses(3);
    expect(own.grants.revoke(reference), "somebody else has ended").to.equal(false);
    entries.endUses(2);
    expect(own.grants.revoke(reference)).to.equal(true);
  });

  it("XSA-396: keeps a page that was freed while it is granted: it is not allocated again before", () => {
    const { own, pages } = domain();
    const all = own.allocatePages(SIZE.memoryPages);
    const [granted] = all;
    const references = [own.grants.grant(2, granted, "read-only"), own.grants.grant(3, granted, "read-only")];
    own.freePages([granted]);
    expect([pages.allocated, pages.retained]).to.deep.equal([SIZE.memoryPages - 1, 1]);
    for (const reference of references) {
      expect(() => own.allocatePages(1)).to.throw();
      expect(own.grants.revoke(reference)).to.equal(true);
    }
    expect(own.allocatePages(1)[0].frame).to.equal(granted.frame);
  });

  it("is not made of memory of another size", () => {
    const buffer = new SharedArrayBuffer(64 * PAGE_SIZE);
    expect(() => new Arena({ ...SIZE, buffer })).to.throw("an arena of 262144 bytes, not 49152");
  });
});
