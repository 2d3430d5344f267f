// Knows a Linux guest under QEMU and how commands are run in it: a port of virtio-serial carries each as one line, and its status
// and output back as one. Knows not what serves its disks.

import { readFile, writeFile } from "node:fs/promises";
import { Archive } from "../linux/archive.js";
import { FIRST_LINES } from "../linux/first-program.js";
import { Machine } from "../linux/machine.js";
import type { SuiteContext } from "../suite.js";
import type { Images } from "./images.js";
import { LineSocket } from "./line-socket.js";

/** Memory that another process can map, as vhost-user needs it. */
export function machineWords(mebibytes: number): string[] {
  const memory = `memory-backend-memfd,id=memory,size=${mebibytes}M,share=on`;
  const machine = "q35,vmport=off,memory-backend=memory";
  return ["-object", memory, "-M", machine, "-m", `${mebibytes}M`, "-accel", "tcg,thread=multi", "-cpu", "max"];
}
/** Guards against what processors do wrong cost much time where each instruction is emulated. */
const LINUX_WORDS =
  "console=ttyS0 quiet tsc=reliable no_timer_check nokaslr mitigations=off random.trust_cpu=on rdinit=/init";
const MEBIBYTES = 1024;

/** Seconds for a guest to be there, on a machine that has other things to do; 5 is usual. */
const BOOT = 90;
/** Seconds that a command may take where none are given. */
const PATIENCE = 60;

/** The first program. It serves commands, one after the other, for ever. */
const INIT = `${FIRST_LINES}
for module in virtio_pci virtio_console virtio_scsi virtio_blk sd_mod sg; do modprobe $module; done
until [ -c /dev/vport0p1 ]; do usleep 10000; done
exec 3<> /dev/vport0p1
echo up >&3
while read -r number text <&3; do
  echo "$text" | base64 -d > /run/command
  sh /run/command > /run/output 2>&1 < /dev/null 3>&-
  { printf '%s %s ' "$number" $?; base64 -w 0 /run/output; echo; } >&3
done
`;

/** How a command ended, and all that it printed. */
export interface Ended {
  readonly status: number;
  readonly output: string;
}

export interface GuestOptions {
  readonly processors?: number;
  /** MiB of its memory. */
  readonly memory?: number;
  /** What its disks need. */
  readonly words: readonly string[];
}

export class Guest {
  readonly #machine: Machine;
  readonly #commands: LineSocket;
  #number = 0;
  /** The end of the command before, whatever came of it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(machine: Machine, commands: LineSocket) {
    this.#machine = machine;
    this.#commands = commands;
  }

  static async boot(
    context: SuiteContext,
    images: Images,
    { processors = 1, memory = MEBIBYTES, words }: GuestOptions,
  ): Promise<Guest> {
    const archive = context.path("guest.cpio");
    await writeFile(archive, await firstFileSystem(images));
    const commands = await LineSocket.listen(context.freshPath("commands"));
    const port = [
      ...["-chardev", `socket,id=commands,path=${commands.path}`],
      ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=commands"],
    ];
    const loaded = ["-kernel", images.linux, "-append", LINUX_WORDS, "-initrd", archive];
    const all = [...machineWords(memory), "-smp", String(processors), ...port, ...loaded, ...words];
    const guest = new Guest(new Machine(context, all), commands);
    await guest.#started();
    return guest;
  }

  /** Runs shell text to its end and gives what it printed; rejects unless its status is 0. */
  async run(text: string, seconds = PATIENCE): Promise<string> {
    const { status, output } = await this.attempt(text, seconds);
    if (status !== 0) throw new Error(`status ${status}: ${output.trim() || text.trim()}`);
    return output;
  }

  /** Runs shell text to its end, whatever its status is; when the one before has ended. */
  async attempt(text: string, seconds = PATIENCE): Promise<Ended> {
    const before = this.#last;
    const ended = before.catch(() => {}).then(() => this.#attempt(text, seconds));
    this.#last = ended;
    return await ended;
  }

  async #attempt(text: string, seconds: number): Promise<Ended> {
    const number = String(++this.#number);
    await this.#tell(number, text);
    const [of, status, output = ""] = (await this.#line(seconds, text)).split(" ");
    if (of !== number) throw new Error(`an answer to command ${of}, not to ${number} (${text.trim()})`);
    return { status: Number(status), output: Buffer.from(output, "base64").toString() };
  }

  /** Starts it again without leave, and waits until it is there. */
  async reboot(): Promise<void> {
    await this.#tell("reboot", "reboot -f");
    await this.#started();
  }

  /** Stops the machine while something is done. */
  async standStill(work: () => Promise<void>): Promise<void> {
    await this.#machine.standStill(work);
  }

  /** Ends the machine in the middle of whatever it does. */
  async kill(): Promise<void> {
    await this.#machine.kill();
    await this.#commands.close();
  }

  /** Turns the machine off. */
  async end(): Promise<void> {
    await this.#machine.end();
    await this.#commands.close();
  }

  async #started(): Promise<void> {
    const line = await this.#line(BOOT, "the guest's start");
    if (line !== "up") throw new Error(`the guest begins with ${line}`);
  }

  async #tell(number: string, text: string): Promise<void> {
    await this.#commands.write(`${number} ${Buffer.from(`${text}\n`).toString("base64")}`);
  }

  async #line(seconds: number, what: string): Promise<string> {
    const line = await this.#commands.read(seconds);
    if (line === null) throw await this.#machine.failure(what);
    return line;
  }
}

/** Debian's part is in the cache; Linux unpacks one archive after the other. */
async function firstFileSystem(images: Images): Promise<readonly Uint8Array[]> {
  const archive = new Archive();
  archive.file("/init", INIT, 0o755);
  return [await readFile(images.archive), ...archive.finish()];
}
