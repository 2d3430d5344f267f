// Tests the grant table's bytes and the hypervisor's half of it: pins, status bits, limits, and what a granter may try.

import {
  DomainIds,
  GnttabCopy,
  GrantCopyFlags,
  GrantFlags,
  GrantStatus,
  Loan,
  MAX_PINS,
  type MappedPage,
  PAGE_SIZE,
} from "@pvscsi/xen";
import { expect } from "chai";
import fc from "fast-check";
import { hypervisorWorld } from "./hypervisor-world.js";

const { permitAccess, readonly, reading, writing } = GrantFlags;

function mapped(result: MappedPage | number): MappedPage {
  if (typeof result === "number") throw new Error(`map: ${result}`);
  return result;
}

describe("grant table entries", () => {
  it("are flags, domain and frame, in the granter's own pages", () => {
    const { front, back, entry } = hypervisorWorld();
    const [page] = front.allocatePages(1);
    const reference = front.grants.grant(back.id, page, "read-only");
    const { flags, domid, frame } = entry(reference);
    expect([flags, domid, frame]).to.deep.equal([permitAccess | readonly, back.id, page.frame]);
    expect(front.grants.revoke(reference)).to.equal(true);
    expect(entry(reference).flags).to.equal(0);
  });

  it("carry domain ids above 32767 unharmed", () => {
    const { front, entry } = hypervisorWorld();
    const reference = front.grants.grant(0xfffe, front.allocatePages(1)[0], "read-write");
    expect([entry(reference).domid, entry(reference).flags]).to.deep.equal([0xfffe, permitAccess]);
  });

  it("XSA-224, XSA-295: show reading and writing while mapped; each goes with the last that needs it", () => {
    const { front, back, entry } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const flags = () => entry(reference).flags & ~permitAccess;
    const reader = mapped(back.grants.map(front.id, reference, "read-only"));
    expect(flags()).to.equal(reading);
    const writer = mapped(back.grants.map(front.id, reference, "read-write"));
    const second = mapped(back.grants.map(front.id, reference, "read-write"));
    expect(flags()).to.equal(reading | writing);
    back.grants.unmap(writer);
    expect(flags()).to.equal(reading | writing);
    back.grants.unmap(second);
    expect(flags()).to.equal(reading);
    back.grants.unmap(reader);
    expect(flags()).to.equal(0);
  });

  it("keep reading until the last writer has gone, too", () => {
    const { front, back, entry } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const reader = mapped(back.grants.map(front.id, reference, "read-only"));
    const writer = mapped(back.grants.map(front.id, reference, "read-write"));
    back.grants.unmap(reader);
    expect(entry(reference).flags).to.equal(permitAccess | reading | writing);
    back.grants.unmap(writer);
    expect(entry(reference).flags).to.equal(permitAccess);
  });

  it("XSA-380: the table ends: 512 for each frame less 8 reserved, then -1", () => {
    const { front, back } = hypervisorWorld({ front: { grantFrames: 2 } });
    const [page] = front.allocatePages(1);
    const references = Array.from({ length: 1016 }, () => front.grants.grant(back.id, page, "read-only"));
    expect([Math.min(...references), Math.max(...references)]).to.deep.equal([8, 1023]);
    expect(front.grants.grant(back.id, page, "read-only")).to.equal(-1);
    expect(back.grants.map(front.id, 1024, "read-only")).to.equal(GrantStatus.badReference);
    expect(mapped(back.grants.map(front.id, 1023, "read-only")).bytes).to.equal(page.bytes);
  });

  it("revoking what is not granted is our own bug", () => {
    const { front, back } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-only");
    front.grants.revoke(reference);
    expect(() => front.grants.revoke(reference)).to.throw(`reference ${reference} is not granted`);
  });

  it("are one page to both sides: the mapping is the granter's memory itself", () => {
    const { front, back } = hypervisorWorld();
    const [page] = front.allocatePages(1);
    const reference = front.grants.grant(back.id, page, "read-write");
    expect(mapped(back.grants.map(front.id, reference, "read-write")).bytes).to.equal(page.bytes);
  });
});

describe("mapping what a hostile granter wrote", () => {
  /** A granted page whose entry `change` rewrites. */
  function hostile(change: (entry: { flags: number; domid: number; frame: number }) => void) {
    const world = hypervisorWorld();
    const [page] = world.front.allocatePages(1);
    const reference = world.front.grants.grant(world.back.id, page, "read-write");
    change(world.entry(reference));
    return { ...world, page, reference };
  }

  for (const [title, flags] of [
    ["an entry of type invalid", GrantFlags.invalid],
    ["an entry of type accept_transfer", GrantFlags.acceptTransfer],
    ["XSA-411: an entry of type transitive", GrantFlags.transitive],
    ["an entry of type sub_page", permitAccess | GrantFlags.subPage],
  ] as const) {
    it(`${title} is a general error, and its bits stay as they are`, () => {
      const { front, back, entry, reference } = hostile((entry) => (entry.flags = flags));
      expect(back.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.generalError);
      expect(entry(reference).flags).to.equal(flags);
    });
  }

  it("a frame that is no memory is a bad page; no bit stays set and no handle is used", () => {
    for (const frame of [0xffff_ffff, 100_000, 255]) {
      const { front, back, entry, reference } = hostile((entry) => (entry.frame = frame));
      expect(back.grants.map(front.id, reference, "read-write")).to.equal(GrantStatus.badPage);
      expect(entry(reference).flags).to.equal(permitAccess);
      expect(back.describe().mappings).to.deep.equal([]);
    }
  });

  it("a frame that was freed is a bad page", () => {
    const { front, back, page, reference } = hostile(() => {});
    front.freePages([page]);
    expect(back.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.badPage);
  });

  it("XSA-500: frame and flags flipped while mapped: the page mapped first is the page", () => {
    const { front, back, entry, page, reference } = hostile(() => {});
    const [other] = front.allocatePages(1);
    const first = mapped(back.grants.map(front.id, reference, "read-only"));
    entry(reference).frame = other.frame;
    const second = mapped(back.grants.map(front.id, reference, "read-write"));
    expect(second.bytes).to.equal(page.bytes);
    entry(reference).flags = 0;
    expect(mapped(back.grants.map(front.id, reference, "read-only")).bytes).to.equal(page.bytes);
    expect(back.grants.unmap(first)).to.equal(GrantStatus.okay);
    expect(back.grants.unmap(second)).to.equal(GrantStatus.okay);
  });

  it("made read-only while mapped for reading, it cannot be mapped for writing", () => {
    const { front, back, entry, reference } = hostile(() => {});
    mapped(back.grants.map(front.id, reference, "read-only"));
    entry(reference).flags |= readonly;
    expect(back.grants.map(front.id, reference, "read-write")).to.equal(GrantStatus.generalError);
  });

  it("given to another domain while mapped: that one is refused as long as it is mapped", () => {
    const { hypervisor, front, back, entry, reference } = hostile(() => {});
    const other = hypervisor.createDomain({ store: back.store });
    const page = mapped(back.grants.map(front.id, reference, "read-only"));
    entry(reference).domid = other.id;
    expect(other.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.generalError);
    back.grants.unmap(page);
    expect(mapped(other.grants.map(front.id, reference, "read-only")).bytes).to.equal(page.bytes);
  });

  it("XSA-396: a page freed while mapped is not given out again before the unmap", () => {
    const { front, back, page, reference } = hostile(() => {});
    const mapping = mapped(back.grants.map(front.id, reference, "read-write"));
    front.freePages([page]);
    expect(front.describe().retainedPages).to.equal(1);
    expect(front.allocatePages(300).map((each) => each.bytes)).not.to.include(page.bytes);
    back.grants.unmap(mapping);
    expect(front.describe().retainedPages).to.equal(0);
  });

  it("XSA-365: a bad status is all that any sequence of flips can bring about; nothing stays in use", () => {
    const flip = fc.record({ flags: fc.nat(0xffff), domid: fc.constantFrom(0, 0, 0, 1, 9), frame: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(flip, { maxLength: 30 }), fc.boolean(), (flips, write) => {
        const { front, back, entry, reference } = hostile(() => {});
        const pages: MappedPage[] = [];
        for (const change of flips) {
          Object.assign(entry(reference), change);
          const page = back.grants.map(front.id, reference, write ? "read-write" : "read-only");
          if (typeof page !== "number") pages.push(page);
        }
        for (const page of pages) expect(back.grants.unmap(page)).to.equal(GrantStatus.okay);
        expect([front.describe().uses, back.describe().mappings.length]).to.deep.equal([0, 0]);
      }),
    );
  });
});

describe("limits of mapping", () => {
  it("XSA-236: 128 mappings of one kind, as Xen's pin counters have it", () => {
    const { front, back } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    for (let i = 0; i < MAX_PINS; i++) mapped(back.grants.map(front.id, reference, "read-only"));
    expect(back.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.generalError);
    expect(back.grants.map(front.id, reference, "read-write")).to.be.an("object");
  });

  it("no handle left is no space, before the reference is looked at", () => {
    const { front, back } = hypervisorWorld({ back: { maptrackEntries: 2 } });
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const page = mapped(back.grants.map(front.id, reference, "read-only"));
    mapped(back.grants.map(front.id, reference, "read-only"));
    expect(back.grants.map(front.id, 1_000_000, "read-only")).to.equal(GrantStatus.noSpace);
    expect(back.grants.map(77, reference, "read-only")).to.equal(GrantStatus.badDomain);
    back.grants.unmap(page);
    expect(back.grants.map(front.id, 1_000_000, "read-only")).to.equal(GrantStatus.badReference);
    expect(back.grants.map(front.id, reference, "read-only")).to.be.an("object");
  });

  it("a forged mapping of a loan's handle does not end the loan's", () => {
    const { front, back } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const loan = new Loan().open(front.id, "read-only");
    loan.add(reference, 0, PAGE_SIZE);
    back.borrow(loan);
    const forged = {
      handle: loan.handles[0],
      from: front.id,
      reference,
      access: "read-only",
      bytes: new Uint8Array(),
    } as const;
    expect(back.grants.unmap(forged)).to.equal(GrantStatus.badHandle);
    back.giveBack(loan, 0);
    expect(front.describe().uses).to.equal(0);
  });

  it("a loan given back twice is our own bug", () => {
    const { front, back } = hypervisorWorld();
    const loan = new Loan().open(front.id, "read-only");
    loan.add(front.grants.grant(back.id, front.allocatePages(1)[0], "read-write"), 0, 1);
    back.borrow(loan);
    back.giveBack(loan, 0);
    expect(() => back.giveBack(loan, 0)).to.throw("a loan was given back twice");
  });
});

describe("grant copy", () => {
  /** A copy of `front`'s granted page to `back`'s own, which `change` alters. */
  function copied(change: (operation: InstanceType<typeof GnttabCopy>) => void = () => {}) {
    const world = hypervisorWorld();
    const { front, back } = world;
    const [theirs] = front.allocatePages(1);
    const [own] = back.allocatePages(1);
    theirs.bytes.fill(5);
    const reference = front.grants.grant(back.id, theirs, "read-only");
    const operation = new GnttabCopy(new Uint8Array(GnttabCopy.size));
    operation.source = reference;
    operation.sourceDomid = front.id;
    operation.dest = own.frame;
    operation.destDomid = DomainIds.self;
    operation.len = 100;
    operation.flags = GrantCopyFlags.sourceGref;
    change(operation);
    back.copy(operation);
    expect(front.describe().uses, "uses left").to.equal(0);
    return { ...world, operation, own, theirs, reference };
  }

  it("copies from a grant into own memory, and leaves no bit set", () => {
    const { operation, own, entry, reference } = copied((operation) => (operation.destOffset = 10));
    expect(operation.status).to.equal(GrantStatus.okay);
    expect(own.bytes).to.deep.equal(new Uint8Array(PAGE_SIZE).fill(5, 10, 110));
    expect(entry(reference).flags).to.equal(permitAccess | readonly);
  });

  for (const [name, status, change] of [
    ["source over the page's end", "badCopyArgument", { sourceOffset: 4000 }],
    ["destination over the page's end", "badCopyArgument", { destOffset: 4000 }],
    ["offset beyond the page", "badCopyArgument", { sourceOffset: 0xffff, len: 0 }],
    ["longer than a page", "badCopyArgument", { len: 4097 }],
    ["unknown domain", "badDomain", { sourceDomid: 99 }],
    ["another domain's memory by frame", "permissionDenied", { flags: 0 }],
    ["own memory by its own id instead of DOMID_SELF", "permissionDenied", { destDomid: 0 }],
    ["reference beyond the table", "badReference", { source: 1_000_000 }],
    ["reference not granted", "generalError", { source: 300 }],
    ["own frame that is no memory", "badPage", { dest: 5000 }],
    ["frame number above 32 bits", "badPage", { destHigh: 1 }],
  ] as const) {
    it(`${name}: ${status}`, () => {
      const { operation, own } = copied((operation) => Object.assign(operation, change));
      expect(operation.status).to.equal(GrantStatus[status]);
      expect(own.bytes.every((byte) => byte === 0)).to.equal(true);
    });
  }

  it("writing to a read-only grant: general error", () => {
    const { operation } = copied((operation) => {
      operation.dest = operation.source;
      operation.destDomid = operation.sourceDomid;
      operation.flags = GrantCopyFlags.sourceGref | GrantCopyFlags.destGref;
    });
    expect(operation.status).to.equal(GrantStatus.generalError);
  });

  it("within one own page may overlap", () => {
    const { back } = hypervisorWorld();
    const [page] = back.allocatePages(1);
    for (let i = 0; i < 16; i++) page.bytes[i] = i;
    const operation = new GnttabCopy(new Uint8Array(GnttabCopy.size));
    operation.source = operation.dest = page.frame;
    operation.sourceDomid = operation.destDomid = DomainIds.self;
    operation.destOffset = 4;
    operation.len = 12;
    back.copy(operation);
    expect(Array.from(page.bytes.subarray(0, 16))).to.deep.equal([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it("XSA-500: of an entry in use copies from the page in use, whatever the entry says by now", () => {
    const { front, back, entry } = hypervisorWorld();
    const [page, other] = front.allocatePages(2);
    page.bytes[0] = 1;
    other.bytes[0] = 2;
    const reference = front.grants.grant(back.id, page, "read-only");
    mapped(back.grants.map(front.id, reference, "read-only"));
    entry(reference).frame = other.frame;
    const [own] = back.allocatePages(1);
    const operation = new GnttabCopy(new Uint8Array(GnttabCopy.size));
    Object.assign(operation, { source: reference, sourceDomid: front.id, dest: own.frame, destDomid: DomainIds.self });
    Object.assign(operation, { len: 1, flags: GrantCopyFlags.sourceGref });
    back.copy(operation);
    expect([operation.status, own.bytes[0]]).to.deep.equal([GrantStatus.okay, 1]);
  });
});
