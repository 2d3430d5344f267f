// Knows a machine that QEMU emulates, with Xen 4.17 and Debian's Linux as its dom0, and how commands are run in there: a folder
// is shared over 9p, the serial line says which file of it is the next command. Knows nothing of SCSI.

import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { Archive } from "../linux/archive.js";
import { FIRST_LINES } from "../linux/first-program.js";
import { Machine } from "../linux/machine.js";
import type { SuiteContext } from "../suite.js";
import type { Images } from "./images.js";
import { addRepository } from "./repository.js";

const MACHINE = ["-M", "pc", "-cpu", "qemu64", "-smp", "1", "-m", "4096"];
/** Guards against what processors do wrong cost much time where each instruction is emulated. */
const XEN_WORDS = "console=com1 com1=115200 noreboot spec-ctrl=no xpti=0 dom0_mem=1536M,max:1536M dom0_max_vcpus=1";
const LINUX_WORDS = "console=hvc0 mitigations=off random.trust_cpu=on rdinit=/init";

/** Seconds for dom0 to be there, on a machine that has other things to do; 10 is usual. */
const BOOT = 120;
/** Seconds that a command may take where none are given. */
const PATIENCE = 60;

/** The first program. It serves commands until one of them ends the machine. */
const INIT = `${FIRST_LINES}
mkdir -p /run/xen /run/xenstored /run/lock
for module in virtio_pci 9p 9pnet_virtio xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc sd_mod sg; do modprobe $module; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /host
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid
xen-init-dom0
# What the kernel says would come between the lines; it is asked for instead.
dmesg -n 1
echo up > /host/ready
setsid sh -c 'while read -r name; do
  sh /host/$name.sh > /host/$name.output 2>&1 < /dev/null
  echo $? > /host/$name.new
  mv /host/$name.new /host/$name.status
done < /dev/hvc0 > /dev/hvc0 2>&1'
`;

/** How time passes in a machine. */
export interface MachineTime {
  readonly words: readonly string[];
  /** How many times as long as it is given everything may take. */
  readonly slowness: number;
}

/** As here. */
export const REAL_TIME: MachineTime = { words: ["-accel", "tcg,thread=multi,tb-size=512"], slowness: 1 };
/** By the instructions that the processor has worked off, 8 ns each: whatever else this machine has to do changes no figure. */
export const COUNTED_TIME: MachineTime = {
  words: ["-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=3"],
  slowness: 4,
};

/** What files contain, by the paths they have there. */
export type FilesInside = ReadonlyMap<string, Uint8Array>;

export class Dom0 {
  readonly #machine: Machine;
  readonly #folder: string;
  /** As its time's. */
  readonly slowness: number;
  #commands = 0;

  private constructor(machine: Machine, folder: string, slowness: number) {
    this.#machine = machine;
    this.#folder = folder;
    this.slowness = slowness;
  }

  /** `files` are to be in it as well. */
  static async boot(
    context: SuiteContext,
    images: Images,
    files: FilesInside = new Map(),
    { words: time, slowness }: MachineTime = REAL_TIME,
  ): Promise<Dom0> {
    const folder = context.path("host");
    await mkdir(folder);
    const archive = context.path("dom0.cpio");
    await writeFile(archive, await fileSystemOf(images, INIT, files));
    const share = ["-fsdev", `local,id=host,path=${folder},security_model=none`];
    const device = ["-device", "virtio-9p-pci,fsdev=host,mount_tag=host,disable-legacy=on"];
    const modules = `${images.linux} ${LINUX_WORDS},${archive}`;
    const loaded = ["-kernel", images.xen, "-append", XEN_WORDS, "-initrd", modules];
    const words = [...MACHINE, ...time, "-no-reboot", ...share, ...device, ...loaded];
    const dom0 = new Dom0(new Machine(context, words), folder, slowness);
    await dom0.appears("ready", BOOT, "dom0's start");
    return dom0;
  }

  /** The path here of a file that is `/host/NAME` there. */
  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** Runs shell text to its end and gives what it printed; rejects unless its status is 0. */
  async run(text: string, seconds = PATIENCE): Promise<string> {
    const name = `command-${++this.#commands}`;
    await writeFile(this.path(`${name}.sh`), `${text}\n`);
    this.#machine.tell(name);
    await this.appears(`${name}.status`, seconds, text);
    const [status, output] = await Promise.all([this.read(`${name}.status`), this.read(`${name}.output`)]);
    if (status.trim() !== "0") throw new Error(`status ${status.trim()}: ${output.trim() || text.trim()}`);
    return output;
  }

  /** The text of a file that is `/host/NAME` there. */
  async read(name: string): Promise<string> {
    return await readFile(this.path(name), "utf8");
  }

  /** Whether a file is there that is `/host/NAME` there. */
  async has(name: string): Promise<boolean> {
    return await access(this.path(name)).then(
      () => true,
      () => false,
    );
  }

  /** Turns the machine off. */
  async end(): Promise<void> {
    await this.#machine.end();
  }

  /** Waits until a file is there that `what` makes as `/host/NAME`; rejects, and ends the machine, when it is not in time. */
  async appears(name: string, seconds: number, what: string): Promise<void> {
    await this.#machine.until(() => this.has(name), seconds * this.slowness, what);
  }
}

/** Of a Linux with Node, Xen's tools and this repository, in parts: Debian's is in the cache, and Linux unpacks one after the other. */
export async function fileSystemOf(images: Images, init: string, files: FilesInside): Promise<readonly Uint8Array[]> {
  const archive = new Archive();
  archive.file("/init", init, 0o755);
  // Without it, xl says that it is not there.
  archive.file("/etc/xen/xl.conf", "");
  for (const [path, content] of files) archive.file(path, content);
  await addRepository(archive);
  return [await readFile(images.archive), ...archive.finish()];
}
