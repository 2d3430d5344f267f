// Knows what sg3_utils are asked to do to a disk, each of which has to end with status 0 and without a complaint.

import { expect } from "chai";
import type { Guest } from "./guest.js";
import type { GuestDisk } from "./guest-disk.js";

/** Commands that belong together; `$SG` is the generic device, `$SD` the disk, of which the first MiB may be lost. */
export interface Question {
  readonly name: string;
  readonly commands: readonly string[];
}

/** Linux' virtio_scsi can reset nothing but a logical unit: of anything larger nothing is heard, and the disk goes on. */
const NO_RESETS = ["target", "bus", "host"].flatMap((what) => [
  `sg_reset --${what} $SG 2>&1 | grep -q 'may not be available'`,
  "sg_turs $SG",
]);
const FILL =
  "tr '\\0' '\\252' < /dev/zero | dd of=$SD bs=64k count=4 iflag=fullblock oflag=direct conv=fsync 2> /dev/null";
const ZEROS = "[ -z \"$(dd if=$SD bs=512 count=128 iflag=direct 2> /dev/null | tr -d '\\0')\" ]";

export const QUESTIONS: readonly Question[] = [
  { name: "sg_inq", commands: ["sg_inq $SG", "sg_inq --id $SG", "sg_readcap --long $SG"] },
  {
    name: "sg_vpd",
    commands: [
      "pages=$(sg_vpd --page=0 --raw $SG | od -An -v -tx1 | tr -d '\\n' | cut -d' ' -f6-) && echo pages $pages",
      '[ -n "$pages" ] && for page in $pages; do sg_vpd --page=0x$page $SG || exit 1; done',
    ],
  },
  { name: "sg_luns", commands: ["sg_luns $SG", "sg_luns --select=1 $SG", "sg_luns --select=2 $SG"] },
  { name: "sg_opcodes", commands: ["sg_opcodes $SG", "sg_opcodes --opcode=0x28 $SG", "sg_opcodes --tmf $SG"] },
  { name: "sg_turs", commands: ["sg_turs --number=100 $SG"] },
  {
    name: "sg_reset of a device",
    commands: ["sg_reset --device $SG", "sg_turs --number=2 $SG > /dev/null 2>&1; sg_turs $SG"],
  },
  { name: "sg_reset of target, bus and host, which the driver has not", commands: NO_RESETS },
  { name: "sg_verify", commands: ["sg_verify --lba=0 --count=128 $SG", "sg_verify --16 --lba=0 --count=128 $SG"] },
  { name: "sg_unmap", commands: [FILL, `! ${ZEROS}`, "sg_unmap --force --lba=0 --num=512 $SG", ZEROS] },
  {
    name: "sg_write_same",
    commands: [
      ...[FILL, "sg_write_same --10 --lba=0 --num=128 --in=/dev/zero --xferlen=512 $SG", ZEROS],
      ...[FILL, "sg_write_same --16 --lba=0 --num=128 --in=/dev/zero --xferlen=512 $SG", ZEROS],
      ...[FILL, "sg_write_same --16 --unmap --lba=0 --num=128 --in=/dev/zero --xferlen=512 $SG", ZEROS],
    ],
  },
];

/** Says of a field that it is not in use, and the like. */
const REMARK = /\[[^\]]*\]/g;
/** Characters of what was said that an error shows. */
const SHOWN = 200;
/** Of programs that end with status 0 all the same. */
const COMPLAINT = /\b(failed|error|illegal|invalid|aborted|malformed|truncated|not supported)\b/i;

/** Asks one question; rejects with what was said to it. Gives the number of commands. */
export async function ask(guest: Guest, { disk, generic }: GuestDisk, { commands }: Question): Promise<string> {
  const steps = commands.map((command, i) => `{ ${command}; } || { echo "(command ${i + 1})"; exit 1; }`);
  const { status, output } = await guest.attempt([`SG=${generic}`, `SD=${disk}`, ...steps].join("\n"));
  const said = output.trim().replace(/\s+/g, " ");
  expect(status, said.slice(-SHOWN)).to.equal(0);
  const complaint = output.split("\n").find((line) => COMPLAINT.test(line.replace(REMARK, "")));
  if (complaint !== undefined) throw new Error(complaint.trim());
  return `${commands.length} commands`;
}
