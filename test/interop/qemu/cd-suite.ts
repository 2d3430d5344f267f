// Knows what is asked of a CD/DVD drive in a stock Linux guest: its sr driver mounts the disc, Debian's tools say what it is, the tray opens
// and closes, discs are exchanged from outside, and nothing unexpected is said; and how it stands beside QEMU's own drive.

import { expect } from "chai";
import type { Suite, SuiteContext } from "../suite.js";
import { Tgtd, unitWords } from "../tgt/daemon.js";
import { type CdImage, makeCdImage } from "./cd-images.js";
import { judgeTwin, TWINS } from "./cd-twins.js";
import { Guest } from "./guest.js";
import { untilSo } from "./guest-disk.js";
import { PACKAGES, prepareImages } from "./images.js";
import { ServedDisks } from "./served-disks.js";

const SG = ["get_config", "start", "prevent", "modes", "requests"].map((name) => `/usr/bin/sg_${name}`);
const TOOLS = {
  name: "-cd",
  programs: ["/usr/bin/wodim", "/usr/bin/readom", "/usr/bin/cd-info", "/usr/bin/eject", "/usr/sbin/blkid", ...SG],
  modules: ["sr_mod", "isofs"],
};
const DRIVE = { target: 0, lun: 0 };
const MOUNT = "mount -t iso9660 -o ro /dev/sr0 /run/disc";

export const qemuCdSuite: Suite = {
  name: "qemu-cd",
  judges:
    "a CD/DVD drive of ours in a stock Linux guest: sr, mount, eject, wodim, cd-info, sg3_utils; QEMU's scsi-cd and tgt's CD beside it",
  packages: [...PACKAGES, "genisoimage", "wodim", "libcdio-utils", "eject", "tgt"],
  default: false,
  budgetSeconds: 300,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const images = await prepareImages(context, "cloud", TOOLS);
  const first = await makeCdImage(context, "PVSCSI_ONE", 1);
  const second = await makeCdImage(context, "PVSCSI_TWO", 100);
  const tgt = await Tgtd.serve(context, [unitWords(1, first.path, "--device-type", "cd")]);
  const passed = `iscsi://${tgt.address}/${tgt.target}/1`;
  const server = await ServedDisks.startWords(context, [`${first.path},type=cdrom`, passed], 1);
  const own = [
    ...["-device", "virtio-scsi-pci,id=own", "-drive", `file=${first.path},if=none,id=disc,format=raw,readonly=on`],
    ...["-device", "scsi-cd,bus=own.0,drive=disc"],
  ];
  const guest = await Guest.boot(context, images, { words: [...server.words, ...own] });
  const stand = { context, guest, server };
  await guest.run("mkdir -p /run/disc; modprobe sr_mod; modprobe isofs");
  await judgeDisc(stand, first);
  await judgeTools(stand, first);
  await judgeTray(stand, first, second);
  await judgeTwins(stand);
  await context.check("Linux says nothing that is not expected", () => unexpected(guest));
  await guest.end();
  await context.check("what served it ends in order", () => server.close());
  await tgt.end();
}

interface Stand {
  readonly context: SuiteContext;
  readonly guest: Guest;
  readonly server: ServedDisks;
}

async function judgeDisc({ context, guest }: Stand, image: CdImage): Promise<void> {
  await context.check("Linux' sr has the drive, and dmesg and lsscsi say what it is", async () => {
    await guest.run(untilSo("[ -b /dev/sr0 ] && [ -b /dev/sr1 ] && [ -b /dev/sr2 ]"));
    const text = await guest.run("/usr/bin/lsscsi; dmesg");
    expect(text).to.match(/\[0:0:0:0\] +cd\/dvd +PVSCSI +VIRTUAL CD-ROM +0001 +\/dev\/sr0/);
    expect(text).to.match(/scsi 0:0:0:0: CD-ROM +PVSCSI +VIRTUAL CD-ROM +0001 PQ: 0 ANSI: 6/);
    expect(text).to.match(/sr 0:0:0:0: Attached scsi CD-ROM sr0/);
    return /\[sr0\].*/.exec(text)?.[0] ?? expect.fail(`no line of its speed: ${text}`);
  });
  await context.check("it is as long as its image, whose bytes are what is read", async () => {
    expect((await guest.run("blockdev --getsize64 /dev/sr0")).trim()).to.equal(String(image.size));
    expect((await guest.run("md5sum < /dev/sr0")).slice(0, 32)).to.equal(image.md5);
    return `${image.size} bytes, ${image.md5}`;
  });
  await context.check("the disc is mounted, and each file has its MD5", () => mounted(guest, image));
  await context.check("blkid knows its label and type", async () => {
    const text = await guest.run("blkid -p /dev/sr0");
    expect(text).to.include(`LABEL="${image.label}"`).and.to.include('TYPE="iso9660"');
    return text.trim();
  });
}

async function mounted(guest: Guest, image: CdImage): Promise<string> {
  const text = await guest.run(`${MOUNT} && cd /run/disc && md5sum *; cd /; umount /run/disc`);
  expect(text.trim()).to.equal(image.sums);
  return `${image.sums.split("\n").length} files`;
}

/** Programs, and what must be in what they print. */
const QUESTIONS: readonly { readonly command: string; readonly says: readonly RegExp[] }[] = [
  { command: "wodim dev=/dev/sr0 -inq", says: [/Vendor_info +: 'PVSCSI/, /Identification : 'VIRTUAL CD-ROM/] },
  {
    command: "wodim dev=/dev/sr0 -toc",
    says: [/first: 1 last 1/, /track: +1 lba: +0 .*00:02:00 adr: 1 control: 4/, /track:lout lba: +\d+/],
  },
  {
    command: "wodim dev=/dev/sr0 -prcap",
    says: [/Does read CD-R media/, /Does read DVD-ROM media/, /Does allow media to be locked in the drive via PREVENT/],
  },
  {
    command: "cd-info --no-cddb -C /dev/sr0",
    says: [/CD-ROM Track List \(1 - 1\)/, /170: .*leadout|leadout/, /ISO 9660/],
  },
  {
    command: "sg_get_config /dev/sr0",
    says: [/Current profile: +CD-ROM/i, /Loading mechanism: Tray type/, /CD read feature/],
  },
  { command: "sg_inq -d /dev/sr0", says: [/PDT=5/, /RMB=1/, /MMC-6/] },
  { command: "sg_vpd -i /dev/sr0", says: [/designator type: NAA/] },
  { command: "sg_modes -a /dev/sr0", says: [/capabilities/i] },
  { command: "sg_opcodes /dev/sr0", says: [/Read CD/i, /Get configuration/i] },
  { command: "sg_luns /dev/sr0", says: [/2 lun entries|Lun list length = 16/] },
  { command: "sg_readcap /dev/sr0", says: [/Logical block length=2048 bytes/] },
  { command: "sg_turs /dev/sr0", says: [] },
  { command: "sg_requests /dev/sr0", says: [/No Sense/i] },
];

async function judgeTools({ context, guest }: Stand, image: CdImage): Promise<void> {
  for (const { command, says } of QUESTIONS) {
    await context.check(command, async () => {
      const text = await guest.run(`${command} 2>&1`);
      for (const line of says) expect(text).to.match(line);
      return says.map((line) => line.exec(text)?.[0]).join("; ");
    });
  }
  await context.check("readom reads all of it, sector by sector", async () => {
    await guest.run("readom dev=/dev/sr0 f=/run/copy 2>&1", 120);
    expect((await guest.run("md5sum < /run/copy; rm /run/copy")).slice(0, 32)).to.equal(image.md5);
    return image.md5;
  });
}

async function judgeTray({ context, guest, server }: Stand, first: CdImage, second: CdImage): Promise<void> {
  await context.check("a disc that is mounted is neither taken out nor exchanged", async () => {
    await guest.run(MOUNT);
    for (const act of [() => server.eject(DRIVE), () => server.insert(DRIVE, second.path)]) {
      const reason = await act().then(
        () => expect.fail("it was"),
        (error: unknown) => String(error),
      );
      expect(reason).to.match(/is kept shut by who uses it/);
    }
    const sum = await guest.run("md5sum < /run/disc/file3.bin; umount /run/disc");
    expect(first.sums).to.include(sum.slice(0, 32));
    return "who asked hears why";
  });
  await context.check("eject opens the tray, eject -t closes it, and the disc is there again", async () => {
    await guest.run("eject /dev/sr0");
    const { status, output } = await guest.attempt("dd if=/dev/sr0 of=/dev/null count=1 2>&1");
    expect(status, output).not.to.equal(0);
    await guest.run("eject -t /dev/sr0");
    await mounted(guest, first);
    return output.trim().split("\n")[0];
  });
  await context.check("another disc is put in from outside, and Linux reads that one", async () => {
    await server.insert(DRIVE, second.path);
    const figure = await mounted(guest, second);
    expect((await guest.run("md5sum < /dev/sr0")).slice(0, 32)).to.equal(second.md5);
    return figure;
  });
  await context.check("it is taken out, there is none, and the first one is put in", async () => {
    await server.eject(DRIVE);
    const { output } = await guest.attempt("dd if=/dev/sr0 of=/dev/null count=1 2>&1");
    expect(output).to.match(/No medium found/);
    await server.insert(DRIVE, first.path);
    return await mounted(guest, first);
  });
}

async function judgeTwins({ context, guest }: Stand): Promise<void> {
  const [ours, tgt, qemu] = await Promise.all(
    ["0:0:0:0", "0:0:0:1", "1:0:0:0"].map((place) => genericAt(guest, place)),
  );
  for (const [who, device] of [
    ["qemu", qemu],
    ["tgt", tgt],
  ] as const) {
    // What either has to tell of what was before is told.
    for (const each of [ours, device]) {
      await guest.attempt(`sg_turs ${each}; sg_turs ${each}; sg_raw -r 8 ${each} 4a 01 00 00 10 00 00 00 08 00`);
    }
    for (const twin of TWINS) {
      await context.check(`as ${who}'s own: ${twin.name}`, () => judgeTwin(guest, ours, { who, device }, twin));
    }
  }
}

async function genericAt(guest: Guest, place: string): Promise<string> {
  return `/dev/${(await guest.run(`ls /sys/class/scsi_device/${place}/device/scsi_generic`)).trim()}`;
}

/** What Linux says of drives, less what it says of the others'. */
const OF_OURS = /^(?!.*(\b1:0:0:0\b|\b0:0:0:1\b|\bsr[12]\b)).*(\bsr\d?\b|scsi|cdrom|I\/O error|ISO 9660)/i;

/** Lines of Linux' drivers, by what may stand in them. */
const EXPECTED: readonly RegExp[] = [
  /scsi host\d+: Virtio SCSI HBA/,
  /scsi \d:0:\d:\d: CD-ROM/,
  /Attached scsi (CD-ROM|generic)/,
  /\[sr\d\] scsi3-mmc drive/,
  /cdrom: Uniform CD-ROM driver/,
  /ISO 9660 Extensions: (Microsoft Joliet Level 3|RRIP_1991A)/,
  /Power-on or device reset occurred/,
  /SCSI subsystem initialized|Block layer SCSI generic|SCSI Media Changer/,
];

async function unexpected(guest: Guest): Promise<string> {
  const lines = (await guest.run("dmesg")).split("\n").filter((line) => OF_OURS.test(line));
  const others = lines.filter((line) => !EXPECTED.some((known) => known.test(line)));
  expect(others).to.deep.equal([]);
  return `${lines.length} lines`;
}
