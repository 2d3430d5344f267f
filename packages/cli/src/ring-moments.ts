// Knows what passes over the rings of one process, moment by moment, as its drivers' probes tell of it, and how moments
// are said to another process. Knows nothing of how they are shown.

import { describeCdb, describeTask, type Task } from "@pvscsi/scsi";
import { type Cursor, type ProbeHub, ProtocolError } from "@pvscsi/wire";
import { type DomainId, VSCSIIF_ENTRY_SIZE } from "@pvscsi/xen";

/** What is known of a moment beside its name, by what its probe is about. */
interface Subject {
  /** The slot that was written. */
  readonly entry?: Uint8Array;
  /** Of a push: whether it wakes the other side. */
  readonly event?: boolean;
  /** The task in words. */
  readonly task?: string;
}

/** The probes that are followed, and what is kept of their subjects, which are lent. */
const PROBES = {
  "scsifront:request": (subject) => ({ entry: entryOf(subject as Cursor) }),
  "scsifront:push": (subject) => ({ event: subject === true }),
  "scsiback:request": () => ({}),
  "task:begin": (subject) => ({ task: describeCdb((subject as Task).cdb, (subject as Task).cdbLength) }),
  "task:end": (subject) => ({ task: describeTask(subject as Task) }),
  "scsiback:response": (subject) => ({ entry: entryOf(subject as Cursor) }),
  "scsiback:push": (subject) => ({ event: subject === true }),
  "scsifront:response": () => ({}),
} as const satisfies { readonly [name: string]: (subject: unknown) => Subject };

export type MomentName = keyof typeof PROBES;

export interface Moment extends Subject {
  /** Milliseconds, of one clock for all processes that are followed together. */
  readonly at: number;
  /** In whose process it was: the number of that domain, 0 where guests run in dom0's. */
  readonly domain: DomainId;
  readonly probe: MomentName;
}

export type HearMoment = (moment: Moment) => void;

/** Where moments come from. */
export interface MomentSource {
  readonly probes: ProbeHub;
  /** The clock of `Moment.at`. */
  readonly now: () => number;
  readonly domain: DomainId;
}

/** Tells of each moment as it happens, until the returned function is called. */
export function recordRings({ probes, now, domain }: MomentSource, heard: HearMoment): () => void {
  /** Entries that were put into a ring and not shown to the other side yet. */
  const unpushed = { scsifront: 0, scsiback: 0 };
  return probes.listen((probe, subject) => {
    if (!isMomentName(probe)) return;
    const at = now();
    if (probe === "scsifront:request") unpushed.scsifront += 1;
    if (probe === "scsiback:response") unpushed.scsiback += 1;
    if (probe === "scsifront:push" || probe === "scsiback:push") {
      const side = probe === "scsifront:push" ? "scsifront" : "scsiback";
      // A push that shows no entry only says from which one on its sender wants to be woken.
      if (unpushed[side] === 0) return;
      unpushed[side] = 0;
    }
    heard({ at, domain, probe, ...PROBES[probe](subject) });
  });
}

function entryOf({ bytes, base }: Cursor): Uint8Array {
  return bytes.slice(base, base + VSCSIIF_ENTRY_SIZE);
}

function isMomentName(name: unknown): name is MomentName {
  return typeof name === "string" && Object.hasOwn(PROBES, name);
}

/** A list of moments in one line. */
export function momentsText(moments: readonly Moment[]): string {
  const plain = moments.map(({ entry, ...rest }) => (entry === undefined ? rest : { ...rest, entry: hexOf(entry) }));
  return JSON.stringify(plain);
}

/** Throws ProtocolError when a text is no list of moments. */
export function parseMoments(text: string): Moment[] {
  const list = parseList(text);
  return list.map((value) => {
    const { at, domain, probe, entry, event, task } = (value ?? {}) as Record<string, unknown>;
    if (typeof at !== "number" || typeof domain !== "number" || !isMomentName(probe)) throw notMoments();
    return {
      ...{ at, domain, probe },
      ...(entry !== undefined && { entry: parseEntry(entry) }),
      ...(typeof event === "boolean" && { event }),
      ...(typeof task === "string" && { task }),
    };
  });
}

function parseList(text: string): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list;
  } catch {
    // Told of below, as what is JSON and no list.
  }
  throw notMoments();
}

function hexOf(entry: Uint8Array): string {
  return Buffer.from(entry).toString("hex");
}

function parseEntry(hex: unknown): Uint8Array {
  const bytes = Buffer.from(typeof hex === "string" ? hex : "", "hex");
  if (bytes.length !== VSCSIIF_ENTRY_SIZE) throw notMoments();
  return bytes;
}

function notMoments(): ProtocolError {
  return new ProtocolError("a piece that is no list of moments");
}
