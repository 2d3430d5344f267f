// Knows what each wire can carry: numbers from the code's own tables, and what becomes of what it cannot carry. One
// table, printed in docs/WIRES.md and kept by the tests.

import { type AdapterLimits, HostByte, MAX_SENSE, Status } from "@pvscsi/scsi";
import { CommandRequest, DEFAULT_SENSE_SIZE, ManagementSubtype, TASK_ATTRIBUTES } from "@pvscsi/virtio";
import { VSCSIIF_SENSE_BUFFERSIZE, VscsiifAct, VscsiifDirection, VscsiifRequest } from "@pvscsi/xen";
import { WIRES, type WireName } from "./wires.js";

/** What a wire does with what differs from wire to wire. */
export interface Carries {
  /** Bytes of sense data that arrive. */
  readonly sense: number;
  /** The length of a CDB arrives; else zeros are behind it, as many as the wire has room for. */
  readonly cdbLength: boolean;
  /** One buffer that may be used both ways; else it is room for what comes. */
  readonly bidirectional: boolean;
  /** A command that wants to move more than there is room for is GOOD; else it is an overrun, which is an error. */
  readonly cut: boolean;
  /** A LUN without a unit is answered for by the target; else the wire has no such place. */
  readonly missing: boolean;
  /** A command that is refused has its whole length as residual; else none. */
  readonly refusedResidual: boolean;
  /** The task attribute arrives; else every task is SIMPLE. */
  readonly attribute: boolean;
  /** The REPORT LUNS well-known logical unit can be named. */
  readonly wellKnown: boolean;
}

const ALL: Carries = {
  sense: MAX_SENSE,
  cdbLength: true,
  bidirectional: true,
  cut: true,
  missing: true,
  refusedResidual: true,
  attribute: true,
  wellKnown: false,
};

export const CARRIES: { readonly [Name in WireName]: Carries } = {
  direct: ALL,
  pvscsi: {
    ...ALL,
    sense: VSCSIIF_SENSE_BUFFERSIZE,
    missing: false,
    refusedResidual: false,
    attribute: "taskAttr" in VscsiifRequest.offsets,
  },
  "virtio-scsi": {
    ...ALL,
    sense: DEFAULT_SENSE_SIZE,
    cdbLength: false,
    bidirectional: false,
    cut: false,
    attribute: "taskAttr" in CommandRequest.offsets,
    wellKnown: true,
  },
};

/** `abortTaskSet` as a person says it. */
const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
const listed = (names: readonly string[]): string => names.map(words).join(", ");

/** Names of the wires' own tables, where they have one. */
const FUNCTIONS: { readonly [Name in WireName]: string } = {
  direct: "abort, reset",
  pvscsi: listed(Object.keys(VscsiifAct).filter((name) => name === "scsiAbort" || name === "scsiReset")).replaceAll(
    "scsi ",
    "",
  ),
  "virtio-scsi": listed(Object.keys(ManagementSubtype)).replace("clear aca", "clear aca (rejected)"),
};

/** `head-of-queue` as SAM writes it; the target refuses ACA. */
const attributes = TASK_ATTRIBUTES.map((name) => name.replaceAll("-", " ").toUpperCase()).join(", ");

const directions = ({ bidirectional }: Carries): string =>
  listed(Object.keys(VscsiifDirection).filter((name) => bidirectional || name !== "bidirectional"));

type Cell = (limits: AdapterLimits, carries: Carries, name: WireName) => string | number;

const ROWS: readonly (readonly [capability: string, cell: Cell])[] = [
  ["longest CDB, bytes", ({ maxCdb }) => maxCdb],
  ["a CDB's own length", (_, { cdbLength }) => (cdbLength ? "arrives" : "zeros are behind it")],
  ["a longer CDB", (_, __, name) => (name === "direct" ? "SPC has none" : "host byte ERROR")],
  ["longest sense data, bytes", (_, { sense }) => sense],
  ["task attribute", (_, { attribute }) => (attribute ? `${attributes} (refused)` : "none: SIMPLE")],
  ["task management", (_, __, name) => FUNCTIONS[name]],
  ["data directions", (_, carries) => directions(carries)],
  ["more data than there is room for", (_, { cut }) => (cut ? "cut, GOOD" : "OVERRUN: host byte ERROR")],
  ["largest transfer, bytes", ({ maxTransfer }) => maxTransfer],
  ["pieces of data", ({ maxSegments }) => maxSegments],
  ["commands at once", ({ queueDepth }) => queueDepth],
  ["channels, targets, LUNs", ({ channels, targets, luns }) => `${channels}, ${targets}, ${luns}`],
  ["a LUN without a unit", (_, { missing }) => (missing ? "the target answers" : "host byte NO_CONNECT")],
  [
    "residual of a refused command",
    (_, { refusedResidual }) => (refusedResidual ? "all of it" : "0, as of Linux' back end"),
  ],
  ["REPORT LUNS well-known unit", (_, { wellKnown }) => (wellKnown ? "listed, answers" : "cannot be named")],
];

/** How a command ends that is ended: host byte and status; and what may be said of it in the table. */
export interface Ended {
  readonly hostByte: number;
  readonly status: number;
  readonly says: string;
}

const below = (name: "abort" | "reset"): Ended => {
  return { hostByte: HostByte[name], status: Status.good, says: `host byte ${name.toUpperCase()}` };
};
const TOLD: Ended = { hostByte: HostByte.ok, status: Status.taskAborted, says: "TASK ABORTED" };

/** By who ended it: SCSI has no status but for the last. */
export const ENDED = {
  "its initiator, by ABORT TASK": below("abort"),
  "its initiator, by a reset": below("reset"),
  "another one, with TAS 0": below("reset"),
  "another one, with TAS 1": TOLD,
} as const;

/** That table in Markdown; every wire has the same. */
export function printEnded(): string {
  const rows = Object.entries(ENDED).map(([who, { says }]) => `| ${who} | ${WIRES.map(() => says).join(" | ")} |`);
  return [`| who ended it | ${WIRES.join(" | ")} |`, `|---|${WIRES.map(() => "---|").join("")}`, ...rows].join("\n");
}

/** The table in Markdown; `limits` are the adapters' when they are connected. */
export function printWires(limits: { readonly [Name in WireName]: AdapterLimits }): string {
  const cells = (cell: Cell): string => WIRES.map((name) => cell(limits[name], CARRIES[name], name)).join(" | ");
  const rows = ROWS.map(([capability, cell]) => `| ${capability} | ${cells(cell)} |`);
  return [`| | ${WIRES.join(" | ")} |`, `|---|${WIRES.map(() => "---|").join("")}`, ...rows].join("\n");
}
