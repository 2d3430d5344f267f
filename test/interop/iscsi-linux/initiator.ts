// Knows Linux' own initiator in a guest of QEMU: the kernel's iscsi_tcp with Debian's iscsid and iscsiadm, and how sessions and their
// disks are shown. It reaches this machine's loopback by QEMU's user network.

import { expect } from "chai";
import { type Ended, Guest } from "../qemu/guest.js";
import { type GuestDisk, untilSo } from "../qemu/guest-disk.js";
import type { Images } from "../qemu/images.js";
import type { SuiteContext } from "../suite.js";

/** This machine, as a guest reaches it by QEMU's user network. */
export const HOST = "10.0.2.2";
export const INITIATOR = "iqn.2026-11.localhost:linux";
const NETWORK = ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"];
/** Seconds for a session to come, to end, or to be there again. */
const PATIENCE = 60;

/** What differs from iscsid's own: it works at once, and an emulated machine is not called dead. */
const SETTINGS = `
iscsid.startup = /bin/true
node.startup = manual
node.leading_login = No
node.session.timeo.replacement_timeout = 120
node.conn[0].timeo.login_timeout = 30
node.conn[0].timeo.logout_timeout = 15
node.conn[0].timeo.noop_out_interval = 10
node.conn[0].timeo.noop_out_timeout = 30
node.session.initial_login_retry_max = 2
`;

const START = `
for module in virtio_net iscsi_tcp crc32c-intel; do modprobe $module || exit 1; done
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
mkdir -p /run/lock/iscsi /etc/iscsi
echo 'root:x:0:0:root:/:/bin/sh' > /etc/passwd
echo 'InitiatorName=${INITIATOR}' > /etc/iscsi/initiatorname.iscsi
cat > /etc/iscsi/iscsid.conf << 'END'${SETTINGS}END
iscsid -d 0 > /tmp/iscsid.log 2>&1
${untilSo("iscsiadm -m session 2>&1 | grep -q 'No active sessions'")}`;

/** A session as sysfs has it. */
export interface SessionFacts {
  readonly state: string;
  readonly tpgt: string;
  readonly headerDigest: string;
  readonly dataDigest: string;
}

export class Initiator {
  readonly guest: Guest;
  /** Where its target is reached: `ADDR:PORT`. */
  readonly portal: string;
  readonly target: string;

  private constructor(guest: Guest, portal: string, target: string) {
    this.guest = guest;
    this.portal = portal;
    this.target = target;
  }

  /** Boots a guest for a target behind this machine's port. */
  static async boot(
    context: SuiteContext,
    images: Images,
    { port, target }: { readonly port: number; readonly target: string },
  ): Promise<Initiator> {
    const guest = await Guest.boot(context, images, { processors: 2, words: NETWORK });
    await guest.run(START);
    return new Initiator(guest, `${HOST}:${port}`, target);
  }

  /** Runs iscsiadm about its target's node. */
  async node(words: string, seconds = PATIENCE): Promise<string> {
    return await this.guest.run(`iscsiadm -m node -T ${this.target} -p ${this.portal} ${words} 2>&1`, seconds);
  }

  async discover(): Promise<string> {
    return await this.guest.run(`iscsiadm -m discovery -t sendtargets -p ${this.portal} 2>&1`);
  }

  /** Has later logins ask for what `settings` say, by iscsiadm's names. */
  async set(settings: Readonly<Record<string, string | number>>): Promise<void> {
    for (const [name, value] of Object.entries(settings)) await this.node(`-o update -n '${name}' -v '${value}'`);
  }

  async logIn(): Promise<string> {
    return await this.node("--login");
  }

  /** Does something while it is logged in, and logs out whatever comes of it. */
  async within<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.logIn();
    try {
      return await work();
    } finally {
      await this.guest.attempt("iscsiadm -m session --logout 2>&1");
    }
  }

  /** The same, however it ends. */
  async tryLogIn(): Promise<Ended> {
    return await this.guest.attempt(`iscsiadm -m node -T ${this.target} -p ${this.portal} --login 2>&1`);
  }

  /** Makes its node anew, with nothing that `set` has told. */
  async renew(): Promise<void> {
    await this.node("-o delete");
    await this.discover();
  }

  async logOut(): Promise<string> {
    return await this.node("--logout");
  }

  /** Waits until a LUN is a disk with both its names; of several paths to it, the one of that number. */
  async disk(lun: number, path = 1): Promise<GuestDisk> {
    const devices = `/sys/class/scsi_device/*:0:0:${lun}/device`;
    const nth = (kind: string) => `$(ls -d ${devices}/${kind}/* 2> /dev/null | sed -n ${path}p)`;
    const both = `[ -b "/dev/$(basename ${nth("block")})" ] && [ -c "/dev/$(basename ${nth("scsi_generic")})" ]`;
    const output = await this.guest.run(`${untilSo(both)}
basename ${nth("block")}; basename ${nth("scsi_generic")}`);
    const [disk, generic] = output.trim().split("\n");
    expect(disk, output).to.match(/^sd\w+$/);
    return { disk: `/dev/${disk}`, generic: `/dev/${generic}` };
  }

  /** Waits until all of its sessions are logged in. */
  async recovered(seconds = PATIENCE): Promise<void> {
    const states = "cat /sys/class/iscsi_session/session*/state";
    await this.guest.run(untilSo(`[ "$(${states} | sort -u)" = LOGGED_IN ]`, seconds), seconds + 10);
  }

  /** An attribute of its connection or session, by its file's name. */
  async attribute(name: string): Promise<string> {
    return (await this.guest.run(`cat /sys/class/iscsi_*/*/${name}`)).trim();
  }
}
