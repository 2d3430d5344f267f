// Compares our tables with what a C program printed about Xen's own headers: every struct and constant of the dump.

import {
  ENTRIES_PER_FRAME,
  IoProtocol,
  SharedRing,
  VSCSIIF_ENTRY_SIZE,
  VscsiifRequest,
  VscsiifResponse,
  VscsiifSgList,
  XsdErrno,
} from "@pvscsi/xen";
import { expect } from "chai";
import { layoutDifferences, parseAbiDump } from "../support/abi-dump.js";
import { constantsInC, membersInC } from "../support/c-names.js";
import { goldenText } from "../support/repository.js";
import { XEN_CONSTANTS, XEN_STRUCTS } from "../support/xen-in-c.js";

const dump = parseAbiDump(goldenText("abi-dump-x86_64.txt"));

/** The ring's header has entries behind it. */
const COMPARED_APART = ["vscsiif_sring", "vscsiif_sring_entry"];

/** Version 2 grant tables, page transfer, and table set-up, which the in-process table has no use for. */
const NOT_OURS_YET = ["grant_entry_v2_t", "gnttab_transfer", "gnttab_setup_table", "gnttab_query_size"];
/** ring.h's private structs exist in C memory only. */
const NEVER_OURS = ["front_ring", "back_ring"];

const STRUCTS = XEN_STRUCTS.filter(({ struct }) => struct !== SharedRing);

describe("tables against Xen's headers (x86_64, Xen 4.17)", () => {
  for (const row of STRUCTS) {
    const { structName: name, size } = row.struct;
    it(`struct ${name} has the header's size, fields and offsets`, () => {
      const printed = dump.structs.get(name)?.fields.size !== 0;
      if (printed) expect(layoutDifferences(dump, row)).to.deep.equal([]);
      else expect(size).to.equal(dump.structs.get(name)?.size);
    });
  }

  it("every struct of the dump is compared, or named as not ours", () => {
    const known = [
      ...STRUCTS.map(({ struct }) => struct.structName),
      ...COMPARED_APART,
      ...NOT_OURS_YET,
      ...NEVER_OURS,
    ];
    expect([...dump.structs.keys()]).to.have.members(known);
  });

  it("struct vscsiif_sring is our header and then entries of 252 bytes", () => {
    const sring = dump.structs.get("vscsiif_sring");
    expect(sring?.size).to.equal(SharedRing.size + VSCSIIF_ENTRY_SIZE);
    expect(sring?.fields.get("ring")?.offset).to.equal(SharedRing.size);
    const row = XEN_STRUCTS.find(({ struct }) => struct === SharedRing) ?? expect.fail();
    const printed = [...(sring?.fields ?? [])].filter(([name]) => name !== "ring");
    expect([...membersInC(row)]).to.deep.equal(printed);
  });

  it("a ring entry holds a request as well as a response", () => {
    expect(dump.structs.get("vscsiif_sring_entry")?.size).to.equal(VSCSIIF_ENTRY_SIZE);
    expect([VscsiifRequest.size, VscsiifResponse.size, VscsiifSgList.size]).to.deep.equal([252, 252, 252]);
  });

  it("every constant of the dump is ours, with its value, and we have no other", () => {
    const ours = XEN_CONSTANTS.flatMap((row) => [...constantsInC(row)].map(([name, value]) => [name, Number(value)]));
    expect({ ...Object.fromEntries(ours), ...XsdErrno }).to.deep.equal(Object.fromEntries(dump.constants));
  });

  it("the protocol names agree", () => {
    expect(IoProtocol).to.deep.equal(Object.fromEntries(dump.protocols));
  });

  it("512 grant entries lie in a page", () => {
    expect(ENTRIES_PER_FRAME).to.equal(512);
  });
});
