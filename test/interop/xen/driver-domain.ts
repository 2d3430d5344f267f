// Knows a guest that is a driver domain: Debian's Linux, Node and this repository in it, and `pvscsi xen serve` there.

import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { FIRST_LINES } from "../linux/first-program.js";
import { type Dom0, fileSystemOf } from "./dom0.js";
import { COMMAND_LINES, Guest } from "./guest.js";
import type { Images } from "./images.js";
import { MAIN } from "./repository.js";

const NAME = "driver";
/** In the folder that is shared with dom0: in dom0's own memory it would be there twice. */
const RAMDISK = "driver.cpio";
const MEBIBYTES = 900;
/** Seconds for Node to start there, and for a back end to end. */
const PATIENCE = 120;
const POLL = 500;

const INIT = `${FIRST_LINES}
for module in xen-privcmd xenfs xen-evtchn xen-gntdev; do modprobe $module; done
mount -t xenfs xenfs /proc/xen
${COMMAND_LINES}`;

export class DriverDomain {
  readonly name = NAME;
  readonly #guest: Guest;

  private constructor(guest: Guest) {
    this.#guest = guest;
  }

  get id(): number {
    return this.#guest.id;
  }

  static async start(dom0: Dom0, images: Images): Promise<DriverDomain> {
    await writeFile(dom0.path(RAMDISK), await fileSystemOf(images, INIT, new Map()));
    const kind = { ramdisk: `/host/${RAMDISK}`, mebibytes: MEBIBYTES, lines: ["driver_domain = 1"] };
    return new DriverDomain(await Guest.start(dom0, NAME, kind));
  }

  /** Starts `pvscsi xen serve`, and resolves when it says that it serves, with what it says. */
  async serve(...words: readonly string[]): Promise<string> {
    const command = `node ${MAIN} xen serve ${words.join(" ")}; echo $? > /tmp/status`;
    await this.#guest.run(`(${command}) > /tmp/said 2>&1 < /dev/null & sleep 0.1`);
    return await this.#until("its back end's first words", "head -1 /tmp/said");
  }

  /** Resolves when its back end has said something. */
  async says(text: string): Promise<void> {
    await this.#until(text, `grep -F '${text}' /tmp/said`);
  }

  /** Ends its back end with SIGTERM, which has to end in order. */
  async end(): Promise<void> {
    await this.#guest.run("kill -TERM $(pidof node)");
    expect(await this.#until("its back end's end", "cat /tmp/status 2> /dev/null")).to.equal("0");
  }

  async destroy(): Promise<void> {
    await this.#guest.destroy();
  }

  /** Waits until a command prints something, and gives that. */
  async #until(what: string, command: string): Promise<string> {
    for (const end = performance.now() + PATIENCE * 1000; performance.now() < end; await setTimeout(POLL)) {
      const printed = (await this.#guest.run(`${command} || true`)).trim();
      if (printed !== "") return printed;
    }
    return expect.fail(`${what} are not there after ${PATIENCE} s`);
  }
}
