// Compares our tables with what a C program printed about Xen's own headers: every struct and constant of the dump.

import {
  DomainIds,
  ENTRIES_PER_FRAME,
  EVTCHN_2L_NR_CHANNELS,
  EVTCHN_FIFO_NR_CHANNELS,
  EventOperation,
  EventStatus,
  EvtchnAllocUnbound,
  EvtchnBindInterdomain,
  EvtchnClose,
  EvtchnSend,
  EvtchnStatus,
  EvtchnUnmask,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_ENTRIES,
  GNTTAB_RESERVED_XENSTORE,
  GnttabCopy,
  GnttabMapGrantRef,
  GnttabUnmapGrantRef,
  GrantCopyFlags,
  GrantEntry,
  GrantFlags,
  GrantMapFlags,
  GrantOperation,
  GrantStatus,
  IoProtocol,
  ringEntries,
  ScsiifSegment,
  SharedRing,
  VSCSIIF_ENTRY_SIZE,
  VSCSIIF_MAX_COMMAND_SIZE,
  VSCSIIF_PAGE_SIZE,
  VSCSIIF_SENSE_BUFFERSIZE,
  VSCSIIF_SG_GRANT,
  VSCSIIF_SG_LIST_SIZE,
  VSCSIIF_SG_PER_PAGE,
  VSCSIIF_SG_TABLESIZE,
  VscsiifAct,
  VscsiifRequest,
  VscsiifReset,
  VscsiifResponse,
  VscsiifSgList,
  XenbusState,
  XenstoreDomainInterface,
  XS,
  XS_TYPE_COUNT,
  XsdErrno,
  XsdSockmsg,
} from "@pvscsi/xen";
import { expect } from "chai";
import { layoutDifferences, parseAbiDump } from "../support/abi-dump.js";
import { goldenText } from "../support/repository.js";

const dump = parseAbiDump(goldenText("abi-dump-x86_64.txt"));

/** Every struct of ours, with the header's names of fields that we spell whole. */
const STRUCTS = [
  [ScsiifSegment, {}],
  [
    VscsiifRequest,
    {
      timeout: "timeout_per_command",
      dataDirection: "sc_data_direction",
      segmentCount: "nr_segments",
      segments: "seg",
    },
  ],
  [VscsiifSgList, { segmentCount: "nr_segments", segments: "seg" }],
  [VscsiifResponse, {}],
  [XsdSockmsg, {}],
  [XenstoreDomainInterface, {}],
  [GrantEntry, {}],
  [GnttabMapGrantRef, {}],
  [GnttabUnmapGrantRef, {}],
  [EvtchnAllocUnbound, {}],
  [EvtchnBindInterdomain, {}],
  [EvtchnSend, {}],
  [EvtchnClose, {}],
  [EvtchnUnmask, {}],
  [EvtchnStatus, {}],
] as const;

/** Structs whose comparison is a test of its own below. */
const COMPARED_APART = ["vscsiif_sring", "vscsiif_sring_entry", "gnttab_copy"];

/** Version 2 grant tables, page transfer, and table set-up, which the in-process table has no use for. */
const NOT_OURS_YET = ["grant_entry_v2_t", "gnttab_transfer", "gnttab_setup_table", "gnttab_query_size"];
/** ring.h's private structs exist in C memory only. */
const NEVER_OURS = ["front_ring", "back_ring"];

/** Tables of ours by the prefix their names have in the headers, and the names that differ by more than spelling. */
const TABLES: readonly [string, { readonly [name: string]: number }, { readonly [ours: string]: string }][] = [
  ["VSCSIIF_ACT_", VscsiifAct, {}],
  ["XEN_VSCSIIF_RSLT_RESET_", VscsiifReset, {}],
  ["XenbusState", XenbusState, {}],
  ["XS_", XS, {}],
  ["", XsdErrno, {}],
  ["GTF_", GrantFlags, {}],
  ["GNTTABOP_", GrantOperation, {}],
  ["GNTMAP_", GrantMapFlags, { guestAvail0: "_GNTMAP_guest_avail0" }],
  [
    "GNTST_",
    GrantStatus,
    {
      badReference: "GNTST_bad_gntref",
      badVirtualAddress: "GNTST_bad_virt_addr",
      badDeviceAddress: "GNTST_bad_dev_addr",
      badCopyArgument: "GNTST_bad_copy_arg",
    },
  ],
  ["GNTCOPY_", GrantCopyFlags, {}],
  ["EVTCHNOP_", EventOperation, {}],
  ["EVTCHNSTAT_", EventStatus, {}],
  ["DOMID_", DomainIds, {}],
];

const SINGLE: { readonly [name: string]: number } = {
  VSCSIIF_SG_TABLESIZE,
  VSCSIIF_SG_LIST_SIZE,
  VSCSIIF_MAX_COMMAND_SIZE,
  VSCSIIF_SENSE_BUFFERSIZE,
  VSCSIIF_PAGE_SIZE,
  VSCSIIF_SG_PER_PAGE,
  VSCSIIF_SG_GRANT,
  XS_TYPE_COUNT,
  GNTTAB_NR_RESERVED_ENTRIES: GNTTAB_RESERVED_ENTRIES,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  EVTCHN_2L_NR_CHANNELS,
  EVTCHN_FIFO_NR_CHANNELS,
  "__CONST_RING_SIZE(vscsiif,4096)": ringEntries(VSCSIIF_ENTRY_SIZE, 4096),
  "__CONST_RING_SIZE(vscsiif,8192)": ringEntries(VSCSIIF_ENTRY_SIZE, 8192),
  "__CONST_RING_SIZE(vscsiif,16384)": ringEntries(VSCSIIF_ENTRY_SIZE, 16384),
};

/** Letters and digits alone, in one case: `mapGrantRef` and `map_grant_ref` are one name. */
function plain(name: string): string {
  return name.replace(/_/g, "").toLowerCase();
}

/** The header's name of a constant of one of our tables. */
function abiName(prefix: string, name: string, renamed: { readonly [ours: string]: string }): string {
  if (renamed[name] !== undefined) return renamed[name];
  const names = [...dump.constants.keys()].filter((each) => each.startsWith(prefix));
  return names.find((each) => plain(each.slice(prefix.length)) === plain(name)) ?? `${prefix}${name}`;
}

function ourConstants(): Map<string, number> {
  const ours = new Map(Object.entries(SINGLE));
  for (const [prefix, table, renamed] of TABLES) {
    for (const [name, value] of Object.entries(table)) ours.set(abiName(prefix, name, renamed), value);
  }
  return ours;
}

describe("tables against Xen's headers (x86_64, Xen 4.17)", () => {
  for (const [struct, renamed] of STRUCTS) {
    const name = struct.structName;
    it(`struct ${name} has the header's size, fields and offsets`, () => {
      const printed = dump.structs.get(name)?.fields.size !== 0;
      if (printed) expect(layoutDifferences(dump, struct, renamed)).to.deep.equal([]);
      else expect(struct.size).to.equal(dump.structs.get(name)?.size);
    });
  }

  it("every struct of the dump is compared, or named as not ours", () => {
    const known = [...STRUCTS.map(([struct]) => struct.structName), ...COMPARED_APART, ...NOT_OURS_YET, ...NEVER_OURS];
    expect([...dump.structs.keys()]).to.have.members(known);
  });

  it("struct vscsiif_sring is our header and then entries of 252 bytes", () => {
    const sring = dump.structs.get("vscsiif_sring");
    expect(sring?.size).to.equal(SharedRing.size + VSCSIIF_ENTRY_SIZE);
    expect(sring?.fields.get("ring")?.offset).to.equal(SharedRing.size);
    const header = Object.entries(SharedRing.fields).map(([, { offset, size }]) => ({ offset, size }));
    const printed = [...(sring?.fields ?? [])].filter(([name]) => name !== "ring").map(([, field]) => field);
    expect(header).to.deep.equal(printed);
    for (const [ours, theirs] of [
      ["reqProd", "req_prod"],
      ["reqEvent", "req_event"],
      ["rspProd", "rsp_prod"],
      ["rspEvent", "rsp_event"],
    ] as const) {
      expect(SharedRing.offsets[ours], theirs).to.equal(sring?.fields.get(theirs)?.offset);
    }
  });

  it("a ring entry holds a request as well as a response", () => {
    expect(dump.structs.get("vscsiif_sring_entry")?.size).to.equal(VSCSIIF_ENTRY_SIZE);
    expect([VscsiifRequest.size, VscsiifResponse.size, VscsiifSgList.size]).to.deep.equal([252, 252, 252]);
  });

  it("struct gnttab_copy: each union is our low and high half", () => {
    const theirs = dump.structs.get("gnttab_copy");
    expect(GnttabCopy.size).to.equal(theirs?.size);
    const halves = { source: "sourceHigh", dest: "destHigh" } as const;
    for (const side of ["source", "dest"] as const) {
      const low = GnttabCopy.fields[side];
      const high = GnttabCopy.fields[halves[side]];
      expect(high.offset).to.equal(low.offset + low.size);
      expect({ offset: low.offset, size: low.size + high.size }).to.deep.equal(theirs?.fields.get(`${side}.u`));
    }
    const rest = {
      sourceDomid: "source.domid",
      sourceOffset: "source.offset",
      destDomid: "dest.domid",
      destOffset: "dest.offset",
      len: "len",
      flags: "flags",
      status: "status",
    } as const;
    for (const [ours, name] of Object.entries(rest)) {
      const { offset, size } = GnttabCopy.fields[ours as keyof typeof rest];
      expect({ offset, size }, name).to.deep.equal(theirs?.fields.get(name));
    }
  });

  it("every constant of the dump is ours, with its value, and we have no other", () => {
    expect(Object.fromEntries(ourConstants())).to.deep.equal(Object.fromEntries(dump.constants));
  });

  it("the protocol names agree", () => {
    expect(IoProtocol).to.deep.equal(Object.fromEntries(dump.protocols));
  });

  it("512 grant entries lie in a page", () => {
    expect(ENTRIES_PER_FRAME).to.equal(512);
  });
});
