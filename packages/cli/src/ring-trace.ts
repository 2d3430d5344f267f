// Knows how commands that are followed across rings are shown: the bytes of their slots, what they say, who was woken.

import { hexDump, printRecord } from "@pvscsi/wire";
import { VscsiifRequest, VscsiifResponse } from "@pvscsi/xen";
import type { Moment, MomentName } from "./ring-moments.js";

export interface RingTrace {
  /** A line for each moment, its entry's bytes and fields below it. */
  readonly text: string;
  readonly requests: number;
  readonly responses: number;
  /** Events sent, both ways together. */
  readonly events: number;
  /** How many processes have told of them. */
  readonly processes: number;
}

interface Wording {
  readonly who: "scsifront" | "scsiback" | "target";
  readonly what: (moment: Moment) => string;
  /** What its entry is, and the bytes of it in which something stands for a READ of one page. */
  readonly entry?: { readonly struct: Parameters<typeof printRecord>[0]; readonly head: number };
}

const WORDINGS: { readonly [Name in MomentName]: Wording } = {
  "scsifront:request": {
    who: "scsifront",
    what: () => "writes the request into a slot of the ring",
    entry: { struct: VscsiifRequest, head: 48 },
  },
  "scsifront:push": { who: "scsifront", what: ({ event }) => `moves req_prod on, ${wokenText(event)}` },
  "scsiback:request": {
    who: "scsiback",
    what: () => "copies the request out, checks the copy, maps the granted page",
  },
  "task:begin": { who: "target", what: ({ task }) => `begins ${task}` },
  "task:end": { who: "target", what: ({ task }) => `ends   ${task}` },
  "scsiback:response": {
    who: "scsiback",
    what: () => "unmaps the page, then writes the response into a slot",
    entry: { struct: VscsiifResponse, head: 112 },
  },
  "scsiback:push": { who: "scsiback", what: ({ event }) => `moves rsp_prod on, ${wokenText(event)}` },
  "scsifront:response": {
    who: "scsifront",
    what: () => "takes the response, revokes the grant, completes the command",
  },
};

function wokenText(event: boolean | undefined): string {
  return event ? "and sends an event" : "the other side is awake: no event";
}

/** Shows moments in the order of their time, counted from the first one. */
export function traceOf(moments: readonly Moment[]): RingTrace {
  const inOrder = [...moments].sort((a, b) => a.at - b.at);
  const began = inOrder[0]?.at ?? 0;
  const count = (probe: MomentName): number => moments.filter((moment) => moment.probe === probe).length;
  return {
    text: inOrder.flatMap((moment) => momentLines(moment, began)).join("\n"),
    requests: count("scsifront:request"),
    responses: count("scsiback:response"),
    events: moments.filter(({ event }) => event).length,
    processes: new Set(moments.map(({ domain }) => domain)).size,
  };
}

function momentLines(moment: Moment, began: number): string[] {
  const { who, what, entry } = WORDINGS[moment.probe];
  const time = ((moment.at - began) * 1000).toFixed(0).padStart(5);
  const line = `${time} us  ${who.padEnd(9)} ${what(moment)}`;
  if (entry === undefined || moment.entry === undefined) return [line];
  const bytes = hexDump(moment.entry.subarray(0, entry.head)).split("\n");
  return [line, ...[...bytes, ...printRecord(entry.struct, moment.entry)].map((text) => `            ${text}`)];
}
