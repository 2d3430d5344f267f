// Knows a dom0 with one disk that three have at once: a guest of its own over PVSCSI, a guest of QEMU over vhost-user, and QEMU's own
// iSCSI initiator, whose disk it hands to the same guest of QEMU as a second one.

import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { Child } from "../children.js";
import { endEmptied } from "../emptied-dom0.js";
import { Guest } from "../qemu/guest.js";
import { LSSCSI, untilSo } from "../qemu/guest-disk.js";
import type { Images } from "../qemu/images.js";
import type { SuiteContext } from "../suite.js";
import { DomainParty, GuestParty, type Party } from "./parties.js";

export const MEBIBYTES = 64;
const NAME = "alpha";
const FILES = {
  "host.yaml": `hosts:
  - host: 3
    luns:
      - { address: 3:0:0:0, file: disk.img, size: ${MEBIBYTES}MiB, create: true, shareable: true, wwn: naa.5000c500a1b2c3d4 }
`,
  "alpha.cfg": `name = '${NAME}'\nuuid = '8d5b6f0e-7c7b-4f51-9b3a-1f2e3d4c5b6a'\nmemory = 64\nvscsi = [ '3:0:0:0,0:0:0:0' ]\n`,
};
/** Of vhost-user's controller, and of QEMU's own. */
const QEMU_INITIATOR = "iqn.2026-11.localhost:qemu";

/** All who have the disk. */
export class SharedMachine {
  readonly parties: readonly Party[];
  readonly guest: Guest;
  readonly #context: SuiteContext;
  readonly #dom0: Child;

  private constructor(context: SuiteContext, dom0: Child, guest: Guest, parties: readonly Party[]) {
    this.#context = context;
    this.#dom0 = dom0;
    this.guest = guest;
    this.parties = parties;
  }

  static async start(context: SuiteContext, images: Images): Promise<SharedMachine> {
    for (const [name, text] of Object.entries(FILES)) await writeFile(context.path(name), text);
    const doors = ["--iscsi", "0", "--vhost-user", context.path("scsi.sock")];
    const words = ["dom0", "--host", context.path("host.yaml"), "--state", context.path("state"), ...doors];
    const dom0 = context.start(process.execPath, MAIN, ...words);
    const said: string[] = [];
    do said.push(await dom0.readLine());
    while (!said.at(-1)?.startsWith("dom0 is ready"));
    await verb(context, "create", context.path("alpha.cfg"));
    const guest = await Guest.boot(context, images, { memory: 512, words: qemuWords(said) });
    return new SharedMachine(context, dom0, guest, [new DomainParty(context, NAME), ...(await guestParties(guest))]);
  }

  /** Makes the disk so long, by the domU's name for it. */
  async resize(mebibytes: number): Promise<void> {
    await verb(this.#context, "scsi-resize", NAME, "0:0:0:0", `${mebibytes}MiB`);
  }

  /** Ends all in order, whether QEMU is there still or not: nothing may be left in xenstore or open in dom0. */
  async finish(): Promise<string> {
    await verb(this.#context, "destroy", NAME);
    return endEmptied(this.#dom0, (name, ...words) => verb(this.#context, name, ...words), /vscsi|alpha/);
  }
}

/** Types a verb at dom0. */
function verb(context: SuiteContext, name: string, ...words: readonly string[]): Promise<string> {
  return context.succeed(process.execPath, MAIN, name, "--state", context.path("state"), ...words);
}

/** The controller that dom0 has printed the options of, and one of QEMU's own with the disk of the portal. */
function qemuWords(said: readonly string[]): string[] {
  const controller = said.flatMap((line) => /^ {2}(-chardev|-device) (\S+)/.exec(line)?.slice(1) ?? []);
  expect(controller.length, said.join("\n")).to.equal(4);
  const [, portal, target] = /^iscsi:\/\/([^/]+)\/([^/]+)\/0$/m.exec(said.join("\n")) ?? expect.fail(said.join("\n"));
  const blockdev = { driver: "iscsi", transport: "tcp", portal, target, lun: 0, "initiator-name": QEMU_INITIATOR };
  return [
    ...controller,
    ...["-blockdev", JSON.stringify({ ...blockdev, "node-name": "remote" })],
    ...["-device", "virtio-scsi-pci,id=own", "-device", "scsi-block,bus=own.0,drive=remote,share-rw=on"],
  ];
}

/** Waits for both disks: that of vhost-user is on the controller that QEMU has first. */
async function guestParties(guest: Guest): Promise<GuestParty[]> {
  const output = await guest.run(`${untilSo(`[ $(${LSSCSI} | wc -l) = 2 ]`)}\n${LSSCSI} -g`);
  const found = [...output.matchAll(/^\[(\d+):.* (\/dev\/sd\w)\s+(\/dev\/sg\d)/gm)].sort(
    (a, b) => Number(a[1]) - Number(b[1]),
  );
  expect(found.length, output).to.equal(2);
  const names = ["QEMU's guest over vhost-user", "QEMU's initiator over iSCSI"];
  return found.map(([, , disk, generic], i) => new GuestParty(names[i], guest, disk, generic));
}
