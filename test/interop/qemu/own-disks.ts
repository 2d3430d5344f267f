// Knows QEMU's own virtio-scsi target: scsi-hd over files, and how its disks come and go by QMP.

import { peerResults, QEMU } from "../libiscsi/peers.js";
import type { SuiteContext } from "../suite.js";
import type { Disk, DiskServer, DiskServerKind, Place } from "./disks.js";
import { makeFile } from "./files.js";
import { LineSocket } from "./line-socket.js";

const MIB = 1024 * 1024;
/** Seconds that QEMU may take to answer. */
const PATIENCE = 20;

export const ownDisks: DiskServerKind = {
  name: "QEMU's own target",
  outlivesGuest: false,
  lacks: ["sg_inq", "sg_vpd", "sg_luns", "sg_opcodes"],
  failing: new Map(
    peerResults(QEMU).flatMap(({ name, verdict, reason }) => (verdict === "failed" ? [[name, reason]] : [])),
  ),
  start: async (context, disks, queues) => await OwnDisks.start(context, disks, queues),
};

class OwnDisks implements DiskServer {
  readonly words: readonly string[];
  readonly #context: SuiteContext;
  readonly #monitor: LineSocket;
  #asked = 0;

  private constructor(context: SuiteContext, monitor: LineSocket, words: readonly string[]) {
    this.#context = context;
    this.#monitor = monitor;
    this.words = words;
  }

  static async start(context: SuiteContext, disks: readonly Disk[], queues: number): Promise<OwnDisks> {
    const monitor = await LineSocket.listen(context.freshPath("monitor"));
    const words = [
      ...["-chardev", `socket,id=monitor,path=${monitor.path}`, "-mon", "chardev=monitor,mode=control"],
      ...["-device", `virtio-scsi-pci,id=scsi,num_queues=${queues}`],
    ];
    for (const disk of disks) {
      const block = await blockOf(context, disk);
      words.push("-blockdev", JSON.stringify(block), "-device", JSON.stringify(deviceOf(disk)));
    }
    return new OwnDisks(context, monitor, words);
  }

  async attach(disk: Disk): Promise<void> {
    await this.#ask("blockdev-add", await blockOf(this.#context, disk));
    await this.#ask("device_add", deviceOf(disk));
  }

  /** QEMU keeps the file open until it ends. */
  async detach(place: Place): Promise<void> {
    await this.#ask("device_del", { id: `disk-${nameOf(place)}` });
  }

  async resize(place: Place, mebibytes: number): Promise<void> {
    await this.#ask("block_resize", { "node-name": nameOf(place), size: mebibytes * MIB });
  }

  async close(): Promise<string> {
    await this.#monitor.close();
    return "QEMU ended it";
  }

  /** The first command is the one without which QMP takes no other. */
  async #ask(command: string, words: object): Promise<void> {
    if (this.#asked === 0 && command !== "qmp_capabilities") await this.#ask("qmp_capabilities", {});
    const id = ++this.#asked;
    await this.#monitor.write(JSON.stringify({ execute: command, arguments: words, id }));
    for (;;) {
      const line = await this.#monitor.read(PATIENCE);
      if (line === null) throw new Error(`QEMU does not answer ${command}`);
      const answer = JSON.parse(line);
      if (answer.id !== id) continue;
      if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
      return;
    }
  }
}

function nameOf({ target, lun }: Place): string {
  return `d${target}-${lun}`;
}

/** QEMU has no disks of memory; a file will do. */
async function blockOf(context: SuiteContext, disk: Disk): Promise<object> {
  const filename = disk.file ?? (await makeFile(context, disk.mebibytes));
  const file = { driver: "file", filename, discard: "unmap" };
  return { "node-name": nameOf(disk), driver: "raw", discard: "unmap", file };
}

function deviceOf(disk: Disk): object {
  const { target, lun, identity } = disk;
  const said = identity && { vendor: identity.vendor, product: identity.product, ver: identity.revision };
  const place = { bus: "scsi.0", channel: 0, "scsi-id": target, lun };
  return { driver: "scsi-hd", id: `disk-${nameOf(disk)}`, drive: nameOf(disk), dpofua: true, ...place, ...said };
}
