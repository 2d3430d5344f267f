// Knows how one command is followed across the ring: bytes of its slot, its decoding, who was notified, its answer.

import type { Task } from "@pvscsi/scsi";
import { describeCdb, describeTask } from "@pvscsi/scsi";
import { type Clock, type Cursor, hexDump, type ProbeHub, printRecord } from "@pvscsi/wire";
import { VSCSIIF_ENTRY_SIZE, VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";

/** Bytes of an entry in which something stands, in a READ of one page. */
const REQUEST_HEAD = 48;
const RESPONSE_HEAD = 112;

/** Follows what passes until the returned function is called, which gives the lines. */
export function followRing(probes: ProbeHub, clock: Clock): () => string {
  const lines: string[] = [];
  const began = clock.now();
  const say = (text: string): void => {
    lines.push(`${((clock.now() - began) * 1000).toFixed(0).padStart(6)} us  ${text}`);
  };
  const more = (text: string): void => {
    for (const line of text.split("\n")) lines.push(`           ${line}`);
  };
  const listeners: Readonly<Record<string, (subject: unknown) => void>> = {
    "scsifront:request": (subject) => {
      say("scsifront: request in its slot");
      more(entryText(VscsiifRequest, subject as Cursor, REQUEST_HEAD));
    },
    "scsifront:push": (subject) => say(`scsifront: req_prod pushed, ${notified(subject)}`),
    "scsiback:request": () => say("scsiback:  request copied out of the ring, checked, its grants mapped"),
    "task:begin": (subject) => {
      const task = subject as Task;
      say(`target:    ${describeCdb(task.cdb, task.cdbLength)} into ${task.data.length} bytes of the guest's pages`);
    },
    "task:end": (subject) => say(`target:    ${describeTask(subject as Task)}`),
    "scsiback:response": (subject) => {
      say("scsiback:  grants unmapped, response in its slot");
      more(entryText(VscsiifResponse, subject as Cursor, RESPONSE_HEAD));
    },
    "scsiback:push": (subject) => say(`scsiback:  rsp_prod pushed, ${notified(subject)}`),
    "scsifront:response": () => say("scsifront: response taken, grants revoked, command completed"),
  };
  const stop = probes.listen((name, subject) => listeners[name]?.(subject));
  return () => {
    stop();
    return lines.join("\n");
  };
}

function notified(wanted: unknown): string {
  return wanted === true ? "event sent" : "no event wanted";
}

/** The entry's first bytes and its fields, from the same table. */
function entryText(struct: Parameters<typeof printRecord>[0], { bytes, base }: Cursor, head: number): string {
  const entry = bytes.slice(base, base + VSCSIIF_ENTRY_SIZE);
  return [hexDump(entry.subarray(0, head)), ...printRecord(struct, entry)].join("\n");
}
