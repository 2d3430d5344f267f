// Knows a controller of a guest that is dom0 itself: its nodes as libxl writes them, how LUNs and the whole come and go, and
// the disks that Linux makes of it. Linux' front end serves dom0 as it serves any other domain.

import { expect } from "chai";
import type { Dom0 } from "./dom0.js";

const HOME = "/local/domain/0";
/** Both halves of device 0. */
export const BACK = `${HOME}/backend/vscsi/0/0`;
export const FRONT = `${HOME}/device/vscsi/0`;

/** States (xenbus.h), as nodes have them. */
const INITIALISING = 1;
const CONNECTED = 4;
const CLOSING = 5;
const CLOSED = 6;
const RECONFIGURING = 7;

/** States of a LUN as its node has them, in text. */
export const LunState = { connected: String(CONNECTED), closed: String(CLOSED) } as const;

/** Seconds for a command's states, by dom0's clock: less than a command may take. A scan on an emulated processor takes 2. */
const PATIENCE = 40;

/** Busybox has one as well, and its shell prefers that. */
const LSSCSI = "/usr/bin/lsscsi";

/** Shell text that waits for nodes; it says what they are when they do not become what they should. */
const AWAIT = `end=$(($(date +%s) + ${PATIENCE}))
reach() {
  until [ "$(xenstore-read "$1" 2>&1)" = "$2" ]; do
    [ $(date +%s) -gt $end ] && { echo "$1 is $(xenstore-read "$1" 2>&1), not $2"; exit 1; }
    sleep 0.1
  done
}
part() {
  while [ "$(xenstore-read "$1" 2>&1)" = "$2" ]; do
    [ $(date +%s) -gt $end ] && { echo "$1 is $2 still"; exit 1; }
    sleep 0.1
  done
}
until_disk() {
  until [ -b "/dev/$(ls /sys/class/scsi_device/*:0:0:$1/device/block 2>/dev/null)" ] || [ $(date +%s) -gt $end ]; do
    sleep 0.1
  done
}`;

export class Device {
  readonly back: string;
  readonly front: string;
  /** What there is when a LUN has been refused. */
  readonly #reasons: string;
  readonly #dom0: Dom0;

  constructor(dom0: Dom0, number = 0) {
    this.back = `${HOME}/backend/vscsi/0/${number}`;
    this.front = `${HOME}/device/vscsi/${number}`;
    this.#reasons = `${HOME}/error/backend/vscsi/0/${number}`;
    this.#dom0 = dom0;
  }

  /** Creates it with LUN 0, and waits until its back end has seen it: with a front end there already, it may have gone on. */
  async create(pDev: string): Promise<void> {
    const { back, front } = this;
    await this.#do(`
xenstore-write ${front} ""
xenstore-chmod ${front} n0 r0
xenstore-write ${back} ""
xenstore-chmod ${back} n0 r0
xenstore-write ${front}/backend ${back} ${front}/backend-id 0 ${front}/state ${INITIALISING}
xenstore-write ${back}/frontend ${front} ${back}/frontend-id 0 ${back}/online 1 ${back}/feature-host 0
${addLun(back, 0, pDev)}
xenstore-write ${back}/state ${INITIALISING}
part ${back}/state ${INITIALISING}`);
  }

  /** Creates it, and waits until Linux' front end and the back end are connected and the disk is there. */
  async connect(): Promise<void> {
    await this.create("0:0:0:0");
    await this.#do("modprobe xen-scsifront");
    await this.connected();
    await this.#do("until_disk 0");
  }

  /** Adds LUN N of `pDev`, and gives its state when both sides are connected again. */
  async plug(lun: number, pDev: string): Promise<string> {
    return await this.#reconfigure(lun, addLun(this.back, lun, pDev));
  }

  async unplug(lun: number): Promise<string> {
    return await this.#reconfigure(lun, `xenstore-write ${nodeOf(this.back, lun)}/state ${CLOSING}`);
  }

  /** Waits until both sides are connected. */
  async connected(): Promise<void> {
    await this.#do(`reach ${this.front}/state ${CONNECTED}\nreach ${this.back}/state ${CONNECTED}`);
  }

  /** Closes it as libxl does, and waits until both sides have. */
  async close(): Promise<void> {
    const { back, front } = this;
    await this.#do(`
xenstore-write ${back}/online 0 ${back}/state ${CLOSING}
reach ${front}/state ${CLOSED}
reach ${back}/state ${CLOSED}`);
  }

  /** Takes its nodes away, with parents that are empty then; reasons of LUNs that were refused as well. */
  async remove(): Promise<void> {
    const { back, front } = this;
    await this.#do(`
xenstore-rm -t ${back}
xenstore-rm -t ${front}
xenstore-rm -t ${this.#reasons} 2> /dev/null || true`);
  }

  /** What `lsscsi` shows, with the host's number, which each connection has anew, as a star. */
  async lsscsi(): Promise<string[]> {
    const lines = (await this.#do(LSSCSI)).trim().split("\n");
    return lines
      .filter((line) => line !== "")
      .map((line) =>
        line
          .trim()
          .replace(/^\[\d+:/, "[*:")
          .replace(/\s+/g, " "),
      );
  }

  /** The largest number of pieces that a command may have. */
  async pieces(): Promise<number> {
    return Number(await this.#do("cat /sys/class/scsi_host/*/sg_tablesize"));
  }

  /** Writes a file of the shared folder to a disk, past the page cache. */
  async write(disk: string, name: string): Promise<void> {
    await this.#do(`dd if=/host/${name} of=/dev/${disk} bs=1M oflag=direct conv=notrunc 2>&1`);
  }

  async read(disk: string, name: string, mebibytes: number): Promise<void> {
    await this.#do(`dd if=/dev/${disk} of=/host/${name} bs=1M count=${mebibytes} iflag=direct 2>&1`);
  }

  async #reconfigure(lun: number, change: string): Promise<string> {
    const { back, front } = this;
    const text = `
${change}
xenstore-write ${back}/state ${RECONFIGURING}
n=0
until [ "$(xenstore-read ${front}/state)" = ${RECONFIGURING} ] || [ $n -gt 20 ]; do n=$((n + 1)); sleep 0.05; done
reach ${front}/state ${CONNECTED}
reach ${back}/state ${CONNECTED}
xenstore-read ${nodeOf(back, lun)}/state`;
    return (await this.#do(text)).trim();
  }

  async #do(text: string): Promise<string> {
    return await this.#dom0.run(`${AWAIT}\n${text}`);
  }
}

function nodeOf(back: string, lun: number): string {
  return `${back}/vscsi-devs/dev-${lun}`;
}

function addLun(back: string, lun: number, pDev: string): string {
  const node = nodeOf(back, lun);
  const pairs = { "p-devname": pDev, "p-dev": pDev, "v-dev": `0:0:0:${lun}`, state: INITIALISING };
  const words = Object.entries(pairs).map(([name, value]) => `${node}/${name} ${value}`);
  return `xenstore-write ${words.join(" ")}`;
}

/** The name of the disk in a line of `lsscsi`. */
export function diskOf(lines: readonly string[], lun: number): string {
  const line = lines.find((text) => text.startsWith(`[*:0:0:${lun}] disk`));
  return /\/dev\/(sd\w+)$/.exec(line ?? "")?.[1] ?? expect.fail(`no disk with LUN ${lun} in ${lines.join("; ")}`);
}
