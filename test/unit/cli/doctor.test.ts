// Tests what doctor finds missing, on machines that are made up, and its command line on this one.

import { expect } from "chai";
import { type Diagnosis, DOCTOR_TRANSPORTS, diagnose, formatDiagnoses } from "pvscsi";
import { pvscsi } from "./command.js";
import { MadeUpHost } from "./made-up-host.js";

/** A machine that has everything. */
function wholeHost(): MadeUpHost {
  const host = new MadeUpHost();
  for (const name of ["xenbus", "gntdev", "evtchn"]) host.files.set(`/dev/xen/${name}`, "");
  host.files.set("/sys/hypervisor/type", "xen\n");
  host.programs.set("xl info", () => "host : dom0\n");
  host.programs.set("qemu-system-x86_64 -device help", () => 'name "vhost-user-scsi-pci", bus PCI\n');
  host.programs.set(
    "qemu-system-x86_64 -object help",
    () => "List of user creatable objects:\n  memory-backend-memfd\n",
  );
  return host;
}

async function missing(host: MadeUpHost, ...transports: readonly string[]): Promise<Diagnosis[]> {
  return (await diagnose(host, transports)).filter(({ mend }) => mend !== null);
}

describe("doctor", () => {
  it("finds nothing missing where all is there", async () => {
    expect(await missing(wholeHost(), ...DOCTOR_TRANSPORTS)).to.deep.equal([]);
  });

  const lacks: [what: string, transport: string, take: (host: MadeUpHost) => void, found: string, mend: string][] = [
    ["an old Node.js", "processes", (host) => (host.node = "20.18.9"), "20.18.9", "install Node.js 20.19 or later"],
    ["no koffi", "vhost-user", (host) => (host.native = "no koffi"), "no koffi", "npm install koffi, on Linux"],
    ["no root", "xen-verbs", (host) => (host.user = 1000), "user 1000", "run it as root"],
    ["no module", "xen-serve", (host) => host.files.delete("/dev/xen/gntdev"), "not there", "modprobe xen-gntdev"],
    [
      "no xl",
      "xen-verbs",
      (host) => host.programs.delete("xl info"),
      "not there, or without a Xen",
      "apt-get install xen-utils, in a dom0 of Xen",
    ],
    [
      "no Xen",
      "xen-verbs",
      (host) => ["/dev/xen/xenbus", "/sys/hypervisor/type"].forEach((path) => void host.files.delete(path)),
      "not there",
      "start this machine as a domain of Xen, then modprobe xenfs",
    ],
    [
      "the kernel's back end",
      "xen-serve",
      (host) => host.files.set("/sys/module/xen_scsiback/refcnt", ""),
      "the kernel's xen-scsiback is loaded",
      "modprobe -r xen-scsiback && echo 'blacklist xen_scsiback' > /etc/modprobe.d/pvscsi.conf",
    ],
    [
      "a QEMU without vhost-user",
      "vhost-user",
      (host) => host.programs.set("qemu-system-x86_64 -device help", () => 'name "virtio-scsi-pci"\n'),
      "without that device",
      "install a QEMU that is built with vhost-user",
    ],
    ["little memory", "vhost-user", (host) => (host.freeMemory = 2 ** 28), "256 MiB", "end something, or add memory"],
  ];
  for (const [what, transport, take, found, mend] of lacks) {
    it(`finds ${what}, and says how to mend it`, async () => {
      const host = wholeHost();
      take(host);
      const rows = await missing(host, transport);
      expect(rows.map((row) => [row.transport, row.found, row.mend])).to.deep.equal([[transport, found, mend]]);
    });
  }

  it("finds no QEMU: both that need it are missing", async () => {
    const host = wholeHost();
    host.programs.clear();
    expect((await missing(host, "vhost-user")).length).to.equal(2);
  });

  it("later versions of Node.js will do", async () => {
    const host = wholeHost();
    host.node = "22.0.0";
    expect(await missing(host, "processes")).to.deep.equal([]);
  });

  it("prints a table, and how to mend what is missing once", async () => {
    const host = wholeHost();
    host.user = 1000;
    const text = formatDiagnoses(await diagnose(host, ["xen-serve", "xen-verbs"]));
    expect(text).to.match(/^transport +needs +found\n/);
    expect(text).to.match(/\nxen-serve +root +MISSING +user 1000\n/);
    expect(text).to.match(/\nxen-verbs +\/dev\/xen\/xenbus +ok +there\n\nTo mend it:\n {2}run it as root$/);
  });
});

describe("pvscsi doctor", () => {
  it("is 0 for a transport that works here, and prints JSON", async () => {
    const { status, output, errors } = await pvscsi(["doctor", "processes", "--json"]);
    expect({ status, errors }).to.deep.equal({ status: 0, errors: "" });
    expect(JSON.parse(output)).to.deep.equal([
      { transport: "processes", needs: "Node.js 20.19 or later", found: process.versions.node, mend: null },
    ]);
  });

  it("knows its transports only: 2", async () => {
    const { status, errors } = await pvscsi(["doctor", "telepathy"]);
    expect(status).to.equal(2);
    expect(errors).to.match(/Allowed choices are processes, xen-serve, xen-verbs, vhost-user/);
  });
});
