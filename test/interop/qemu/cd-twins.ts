// Knows how a drive of ours, QEMU's own scsi-cd and tgt's CD over the same image answer the same commands, and of each difference why it is
// one.

import { expect } from "chai";
import type { Guest } from "./guest.js";

interface Twin {
  readonly name: string;
  readonly cdb: string;
  /** Bytes of room. */
  readonly room: number;
  /** Why the other's answer differs; it must then. */
  readonly qemu?: string;
  readonly tgt?: string;
  /** Bytes of the answer that may differ, from and to; the rest must not. */
  readonly except?: readonly (readonly [number, number])[];
}

/**
 * Bytes that say who answers, or what only one has. Of GET EVENT STATUS the length counts what follows it with us, and the event alone with
 * QEMU; which classes there are and what was heard of before is each one's own. Of READ DISC INFORMATION ours has no place for another
 * session, where others have zeros.
 */
const IDENTITY = [[8, 36]] as const;

export const TWINS: readonly Twin[] = [
  { name: "TEST UNIT READY", cdb: "00 00 00 00 00 00", room: 0 },
  { name: "INQUIRY, first bytes", cdb: "12 00 00 00 24 00", room: 36, except: [[2, 8], ...IDENTITY] },
  { name: "READ CAPACITY(10)", cdb: "25 00 00 00 00 00 00 00 00 00", room: 8 },
  { name: "READ(10)", cdb: "28 00 00 00 00 10 00 00 08 00", room: 16384 },
  { name: "READ(12)", cdb: "a8 00 00 00 00 10 00 00 00 08 00 00", room: 16384 },
  {
    name: "READ(10) at the end",
    cdb: "28 00 7f ff ff ff 00 00 01 00",
    room: 2048,
    tgt: "beyond the last block is 21h/00h (MMC-6, sense information), not a medium that cannot be read",
  },
  {
    name: "READ TOC, tracks",
    cdb: "43 00 00 00 00 00 00 03 24 00",
    room: 804,
    qemu: "lead-out's CONTROL",
    tgt: "tgt's lead-out is where a DVD's would be, not behind the image",
  },
  {
    name: "READ TOC, times",
    cdb: "43 02 00 00 00 00 00 03 24 00",
    room: 804,
    qemu: "lead-out's CONTROL",
    tgt: "tgt's lead-out is where a DVD's would be, not behind the image",
  },
  {
    name: "READ TOC, sessions",
    cdb: "43 00 01 00 00 00 00 00 0c 00",
    room: 12,
    qemu: "QEMU says nothing of track 1",
    tgt: "tgt leaves out two bytes of the address (MMC-6, READ TOC/PMA/ATIP)",
  },
  {
    name: "READ TOC, behind the last track",
    cdb: "43 00 00 00 00 00 02 03 24 00",
    room: 804,
    tgt: "the sense key of 24h/00h is ILLEGAL REQUEST (SPC-4 annex F)",
  },
  {
    name: "READ DISC INFORMATION",
    cdb: "51 00 00 00 00 00 00 00 22 00",
    room: 34,
    except: [[16, 24]],
    tgt: "URU: nothing restricts its use (MMC-6, READ DISC INFORMATION)",
  },
  {
    name: "GET CONFIGURATION, current profile",
    cdb: "46 02 00 00 00 00 00 00 08 00",
    room: 8,
    except: [[0, 4]],
    tgt: "an image of a CD's length is a DVD to tgt",
  },
  {
    name: "GET EVENT STATUS, media",
    cdb: "4a 01 00 00 10 00 00 00 08 00",
    room: 8,
    except: [[0, 5]],
    tgt: "tgt has no such command",
  },
  {
    name: "GET EVENT STATUS, not polled",
    cdb: "4a 00 00 00 10 00 00 00 08 00",
    room: 8,
    tgt: "tgt has no such command",
  },
  {
    name: "MECHANISM STATUS",
    cdb: "bd 00 00 00 00 00 00 00 00 08 00 00",
    room: 8,
    except: [[1, 6]],
    tgt: "tgt has no such command",
  },
  { name: "PLAY AUDIO", cdb: "45 00 00 00 00 00 00 00 00 00", room: 0 },
  {
    name: "READ DVD STRUCTURE of a CD",
    cdb: "ad 00 00 00 00 00 00 00 08 04 00 00",
    room: 2052,
    qemu: "QEMU says 30h/00h",
    tgt: "an image of a CD's length is a DVD to tgt",
  },
  {
    name: "WRITE(10)",
    cdb: "2a 00 00 00 00 00 00 00 00 00",
    room: 0,
    qemu: "MMC-6 has no WRITE of a drive that only reads",
    tgt: "MMC-6 has no WRITE of a drive that only reads",
  },
];

/** A status, sense or data in words: what sg_raw prints, less what it says of itself. */
async function answer(guest: Guest, device: string, { cdb, room }: Twin): Promise<string> {
  const take = room === 0 ? "" : `-r ${room} -o /run/answer`;
  const text = `rm -f /run/answer; sg_raw ${take} ${device} ${cdb} 2>&1; echo; [ ! -f /run/answer ] || od -An -v -tx1 /run/answer`;
  const { output } = await guest.attempt(text);
  const sense = /Sense key: [^\n]*\n *Additional sense: [^\n]*/.exec(output)?.[0].replace(/\s+/g, " ") ?? "";
  const status = /SCSI Status: (.*?) *$/m.exec(output)?.[1] ?? output;
  const bytes = output.split("\n").filter((line) => /^( [0-9a-f]{2})+$/.test(line));
  return `${status} ${sense} ${bytes.join("").trim()}`;
}

function hide(text: string, except: Twin["except"] = []): string {
  const at = text.search(/([0-9a-f]{2} )+[0-9a-f]{2}$/);
  if (at < 0) return text;
  const bytes = text.slice(at).split(" ");
  for (const [from, to] of except) for (let i = from; i < to && i < bytes.length; i++) bytes[i] = "..";
  return text.slice(0, at) + bytes.join(" ");
}

/** Who answers beside us. */
export type Other = "qemu" | "tgt";

/** Asks both; throws where they differ without a reason, or no longer differ where there is one. */
export async function judgeTwin(
  guest: Guest,
  ours: string,
  other: { readonly who: Other; readonly device: string },
  twin: Twin,
): Promise<string> {
  const answers = [await answer(guest, ours, twin), await answer(guest, other.device, twin)];
  const [mine, theirs] = answers.map((text) => hide(text, twin.except));
  const reason = twin[other.who];
  if (reason === undefined) {
    expect(mine, `${mine.slice(0, 120)} | ${theirs.slice(0, 120)}`).to.equal(theirs);
    return mine.slice(0, 60).trim();
  }
  expect(mine, "does not differ any more").not.to.equal(theirs);
  return `${reason}: ${mine.slice(0, 70).trim()} | ${theirs.slice(0, 70).trim()}`;
}
