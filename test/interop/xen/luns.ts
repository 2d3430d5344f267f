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
/** Seconds for a verb, most of them for Node to start; its own limits are for the drivers alone. */
const VERB = 240;
/** Seconds for a disk of that size to be written or read on an emulated processor. */
const COPY = 120;

export class Luns {
  readonly #dom0: Dom0;
  readonly #guest: Guest;

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
    const lines = (await this.#guest.run("/usr/bin/lsscsi")).trim().split("\n");
    const found = lines.map((line) => /^\[\d+:(\S+)\] +disk .* (\/dev\/sd\w)/.exec(line));
    return found.flatMap((line) => (line === null ? [] : [`${line[2]} ${line[1]}`])).sort();
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

  /** Starts to write to a disk, again and again until `endLoad`. */
  async startLoad(disk: string): Promise<void> {
    const copy = `dd if=/tmp/data of=${disk} bs=1M count=${LOAD} oflag=direct conv=notrunc`;
    const loop = `while [ ! -e /tmp/stop ] && ${copy} 2>/tmp/failed; do echo; sleep ${PAUSE}; done > /tmp/rounds; touch /tmp/over`;
    await this.#guest.run(`rm -f /tmp/stop /tmp/over; (${loop}) > /dev/null 2>&1 < /dev/null &`);
  }

  /** Waits until a load has ended by itself, or is told to; gives its rounds. */
  async endLoad(how: "told" | "by itself", seconds = COPY): Promise<number> {
    const wait = `n=0; until [ -e /tmp/over ] || [ $n -gt ${seconds * 2} ]; do n=$((n+1)); sleep 0.5; done`;
    const stop = how === "told" ? "touch /tmp/stop; " : "";
    const output = await this.#guest.run(`${stop}${wait}; ls /tmp/over && wc -l < /tmp/rounds`, seconds + 60);
    return Number(output.trim().split("\n").at(-1));
  }

  async #sum(command: string): Promise<string> {
    return (await this.#guest.run(`${command} | md5sum`, COPY)).slice(0, 32);
  }

  async #verb(name: string, ...words: readonly string[]): Promise<string> {
    return await this.#dom0.run(`node ${MAIN} ${name} --xen ${words.join(" ")} 2>&1`, VERB);
  }
}
