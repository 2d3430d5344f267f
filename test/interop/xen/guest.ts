// Knows a guest of that Xen, a domU with Debian's Linux: how it starts, how commands are run in it over its console, how it ends.
// Knows nothing of SCSI.

import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { Archive } from "../linux/archive.js";
import { FIRST_LINES } from "../linux/first-program.js";
import type { Dom0, FilesInside } from "./dom0.js";
import type { Images } from "./images.js";

const KERNEL = "/boot/vmlinux.elf";
const WORDS = "console=hvc0 mitigations=off random.trust_cpu=on rdinit=/init";

/** Seconds for it to start, and for a command where none are given. */
const BOOT = 150;
const PATIENCE = 60;
const POLL = 50;

/** What a guest is made of. */
export interface GuestKind {
  /** The path in dom0 of its first file system. */
  readonly ramdisk: string;
  /** Of its memory; half of them may be files. */
  readonly mebibytes: number;
  /** More lines of its domU.cfg. */
  readonly lines: readonly string[];
}

/** One with nothing of ours in it. */
export const STOCK: GuestKind = { ramdisk: "/boot/guest.cpio", mebibytes: 320, lines: [] };

/** Each line of its console is the number of a command and its text; its output comes between two lines with that number. */
export const COMMAND_LINES = `dmesg -n 1
stty -F /dev/hvc0 -echo
echo guest-is-up > /dev/hvc0
setsid sh -c 'while read -r number text; do
  echo "begin-$number"
  sh -c "$text" 2>&1
  echo "end-$number $?"
done < /dev/hvc0 > /dev/hvc0 2>&1'
`;
const INIT = `${FIRST_LINES}
for module in sd_mod sg xen-scsifront; do modprobe $module; done
${COMMAND_LINES}`;

/** What dom0 needs to start one, which has what is in `archives` besides. */
export async function guestFiles(images: Images, archives: readonly string[] = []): Promise<FilesInside> {
  const archive = new Archive();
  archive.file("/init", INIT, 0o755);
  const debian = await Promise.all([images.guest, ...archives].map((path) => readFile(path)));
  const whole = [...debian, ...archive.finish()];
  return new Map([
    [KERNEL, await readFile(images.linux)],
    [STOCK.ramdisk, Buffer.concat(whole)],
  ]);
}

/** Makes dom0 one that keeps what guests say on their consoles. */
export async function startConsoles(dom0: Dom0): Promise<void> {
  await dom0.run(`mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
xenconsoled --log=guest --log-dir=/host --pid-file=/run/xenconsoled.pid`);
}

/** Writes a guest's configuration; gives its path in dom0. */
export async function writeConfiguration(
  dom0: Dom0,
  name: string,
  { ramdisk, mebibytes, lines }: GuestKind,
): Promise<string> {
  const path = `/tmp/${name}.cfg`;
  await dom0.run(`cat > ${path} <<END
name = "${name}"
type = "pv"
kernel = "${KERNEL}"
ramdisk = "${ramdisk}"
memory = ${mebibytes}
vcpus = 1
cmdline = "${WORDS}"
${lines.join("\n")}
END`);
  return path;
}

export class Guest {
  readonly name: string;
  readonly id: number;
  readonly #dom0: Dom0;
  #commands = 0;

  private constructor(dom0: Dom0, name: string, id: number) {
    this.#dom0 = dom0;
    this.name = name;
    this.id = id;
  }

  static async start(dom0: Dom0, name: string, kind = STOCK): Promise<Guest> {
    return await Guest.startBy(dom0, name, `xl create ${await writeConfiguration(dom0, name, kind)}`);
  }

  /** The same by another command, which may take its time. */
  static async startBy(dom0: Dom0, name: string, command: string, seconds = PATIENCE): Promise<Guest> {
    await dom0.run(command, seconds);
    const guest = new Guest(dom0, name, Number(await dom0.run(`xl domid ${name}`)));
    await guest.#says(/^guest-is-up$/m, BOOT, "its start");
    return guest;
  }

  /** Waits until xl has started it again, in another domain; `seconds` for the end of this one as well. */
  async startsAgain(seconds: number): Promise<Guest> {
    const look = `until id=$(xl domid ${this.name} 2> /dev/null) && [ $id != ${this.id} ]; do sleep 0.5; done; echo $id`;
    const again = new Guest(this.#dom0, this.name, Number(await this.#dom0.run(look, seconds)));
    // Its console goes to the same log.
    again.#commands = this.#commands;
    await again.#says(/(^guest-is-up$[\s\S]*){2}/m, BOOT, "its second start");
    return again;
  }

  /** Runs shell text, one line of it, and gives what it printed; rejects unless its status is 0. */
  async run(text: string, seconds = PATIENCE): Promise<string> {
    const number = ++this.#commands;
    const tty = `$(xenstore-read /local/domain/${this.id}/console/tty)`;
    await this.#dom0.run(`cat > "${tty}" <<'END'
${number} ${text}
END`);
    const ended = new RegExp(`^begin-${number}\n((?:.*\n)*?)end-${number} (\\d+)$`, "m");
    const [, output, status] = await this.#says(ended, seconds, text);
    if (status !== "0") throw new Error(`status ${status} in ${this.name}: ${output.trim() || text}`);
    return output;
  }

  /** Ends it at once. */
  async destroy(): Promise<void> {
    await this.#dom0.run(`xl destroy ${this.name}`);
  }

  async #says(text: RegExp, seconds: number, what: string): Promise<RegExpExecArray> {
    const file = `guest-${this.name}.log`;
    let said = "";
    const end = performance.now() + seconds * this.#dom0.slowness * 1000;
    for (; performance.now() < end; await setTimeout(POLL)) {
      said = (await this.#dom0.read(file).catch(() => "")).replaceAll("\r", "");
      const found = text.exec(said);
      if (found !== null) return found;
    }
    return expect.fail(`${this.name} has not come to an end with ${what}: ${said.split("\n").slice(-4).join(" | ")}`);
  }
}
