// Knows the LUNs of a guest: how they come and go by pvscsi's verbs, typed in dom0, and the disks that the guest's Linux makes
// of them.

import { expect } from "chai";
import type { Dom0 } from "./dom0.js";
import type { Guest } from "./guest.js";
import { MAIN } from "./repository.js";

/** Of LUN words: `mem:64MiB`, so that a whole disk is written and read. */
export const MEBIBYTES = 64;
/** Blocks of a MiB that a load writes again and again, with a pause: one emulated processor serves all there is. */
const LOAD = 2;
const PAUSE = 0.2;
/** Seconds that are added where something has to happen in a guest first. */
const PATIENCE = 60;
/** Seconds for a verb, most of them for Node to start; its own limits are for the drivers alone. */
const VERB = 240;
/** Seconds for a disk of that size to be written or read on an emulated processor. */
const COPY = 120;

export class Luns {
  readonly #dom0: Dom0;
  readonly #guest: Guest;
  /** How many disks are being written to. */
  #loads = 0;

  constructor(dom0: Dom0, guest: Guest) {
    this.#dom0 = dom0;
    this.#guest = guest;
  }

  async attach(physical: string, virtual: string): Promise<void> {
    await this.#verb("scsi-attach", this.#guest.name, physical, virtual);
  }

  async detach(virtual: string): Promise<void> {
    await this.#verb("scsi-detach", this.#guest.name, virtual);
  }

  /** `scsi-list`, without its head. */
  async list(): Promise<string[]> {
    return (await this.#verb("scsi-list", this.#guest.name)).trim().split("\n").slice(1);
  }

  /** Who may do what with the nodes of its first controller: `n1,r0`, the front end's first. */
  async permissions(): Promise<readonly string[]> {
    const { id } = this.#guest;
    const nodes = [`/local/domain/${id}/device/vscsi/0`, `/local/domain/0/backend/vscsi/${id}/0`];
    const text = await this.#dom0.run(nodes.map((node) => `xenstore-ls -p ${node} | head -1`).join("\n"));
    return [...text.matchAll(/\((\S+)\)/g)].map(([, permissions]) => permissions);
  }

  /** What `lsscsi` shows in the guest: of each disk channel, target, LUN and name, by its name. */
  async disks(): Promise<string[]> {
    return [...(await this.names())].map(([address, name]) => `${name} ${address.replace(/^\d+:/, "")}`).sort();
  }

  /** The same by H:C:T:L. Which disk of two controllers gets its name first, Linux leaves to chance. */
  async names(): Promise<ReadonlyMap<string, string>> {
    const lines = (await this.#guest.run("/usr/bin/lsscsi")).trim().split("\n").sort();
    const found = lines.map((line) => /^\[(\d+:\S+)\] +disk .* (\/dev\/sd\w)/.exec(line));
    return new Map(found.flatMap((line) => (line === null ? [] : [[line[1], line[2]] as const])));
  }

  /** Random data to write. */
  async makeData(): Promise<void> {
    await this.#guest.run(`dd if=/dev/urandom of=/tmp/data bs=1M count=${MEBIBYTES} 2>&1`, COPY);
  }

  /** Writes a disk whole, past the page cache, reads it again, and compares sums; gives the sum. */
  async copy(disk: string): Promise<string> {
    const wanted = await this.#sum("cat /tmp/data");
    await this.#guest.run(`dd if=/tmp/data of=${disk} bs=1M oflag=direct conv=notrunc 2>&1`, COPY);
    const read = await this.#sum(`dd if=${disk} bs=1M iflag=direct 2>/dev/null`);
    expect(read, `what was read of ${disk} is not what was written`).to.equal(wanted);
    return wanted;
  }

  /** Starts to write to disks, again and again until `endLoad`, or until that fails. */
  async startLoad(...disks: readonly string[]): Promise<void> {
    this.#loads = disks.length;
    await this.#guest.run("rm -f /tmp/stop /tmp/over /tmp/rounds");
    for (const disk of disks) {
      const copy = `dd if=/tmp/data of=${disk} bs=1M count=${LOAD} oflag=direct conv=notrunc`;
      const loop = `while [ ! -e /tmp/stop ] && ${copy}; do echo >> /tmp/rounds; sleep ${PAUSE}; done; echo >> /tmp/over`;
      await this.#guest.run(`(${loop}) > /dev/null 2>&1 < /dev/null &`);
    }
  }

  /** Waits until all loads have ended, by themselves or because they are told to; gives their rounds. */
  async endLoad(how: "told" | "by themselves"): Promise<number> {
    if (how === "told") await this.#guest.run("touch /tmp/stop");
    const over = `[ "$(wc -l < /tmp/over)" = ${this.#loads} ]`;
    const wait = `n=0; until ${over} || [ $n -gt ${COPY} ]; do n=$((n+1)); sleep 1; done`;
    const output = await this.#guest.run(`${wait}; ${over} && wc -l < /tmp/rounds`, COPY + PATIENCE);
    return Number(output.trim().split("\n").at(-1));
  }

  async #sum(command: string): Promise<string> {
    return (await this.#guest.run(`${command} | md5sum`, COPY)).slice(0, 32);
  }

  async #verb(name: string, ...words: readonly string[]): Promise<string> {
    return await this.#dom0.run(`node ${MAIN} ${name} --xen ${words.join(" ")} 2>&1`, VERB);
  }
}
