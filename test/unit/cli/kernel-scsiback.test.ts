// Tests whether Linux' own back end is seen where it is in the way, on machines that are made up.

import { expect } from "chai";
import { keepKernelOut, kernelScsiback } from "pvscsi";
import { MadeUpHost } from "./made-up-host.js";

const ALIASES = "/lib/modules/6.1.0-1-amd64/modules.alias";
const FORBID = "echo 'blacklist xen_scsiback' > /etc/modprobe.d/pvscsi.conf";

describe("the kernel's own xen-scsiback", () => {
  let host: MadeUpHost;

  beforeEach(() => {
    host = new MadeUpHost();
  });

  /** A machine whose udev loads it as soon as its nodes appear. */
  function withUdev(): void {
    host.files.set("/run/udev/control", "");
    host.files.set(ALIASES, "alias xen-backend:vbd xen_blkback\nalias xen-backend:vscsi xen_scsiback\n");
  }

  function loaded(): void {
    host.files.set("/sys/module/xen_scsiback/refcnt", "0");
  }

  async function refusal(unload: boolean): Promise<string> {
    return keepKernelOut(host, unload).then(
      () => "",
      (error: Error) => error.message,
    );
  }

  it("is not in the way where it is not there", async () => {
    expect(await kernelScsiback(host)).to.equal(null);
    host.files.set("/run/udev/control", "");
    host.files.set(ALIASES, "alias xen-backend:vbd xen_blkback\n");
    expect(await kernelScsiback(host)).to.equal(null);
  });

  it("is when it is loaded, and the devices that it serves are named", async () => {
    loaded();
    host.files.set("/sys/bus/xen-backend/drivers/vscsi/vscsi-1-0", "");
    host.files.set("/sys/bus/xen-backend/drivers/vscsi/bind", "");
    expect(await refusal(false)).to.equal(
      `the kernel's xen-scsiback is loaded and serves vscsi-1-0; as root: modprobe -r xen-scsiback && ${FORBID}, or start with --unload-xen-scsiback`,
    );
  });

  it("is when udev would load it", async () => {
    withUdev();
    expect(await refusal(true)).to.equal(
      `udev would load the kernel's xen-scsiback for the devices that are to be served; as root: ${FORBID}`,
    );
    expect(host.ran).to.deep.equal([]);
  });

  for (const [what, path, text] of [
    ["a line of modprobe.d", "/etc/modprobe.d/pvscsi.conf", "# ours\n  blacklist xen-scsiback\n"],
    ["another folder's", "/usr/lib/modprobe.d/x.conf", "install xen_scsiback /bin/false"],
    ["the kernel's command line", "/proc/cmdline", "quiet modprobe.blacklist=floppy,xen_scsiback ro\n"],
  ]) {
    it(`is kept out by ${what}`, async () => {
      withUdev();
      host.files.set(path, text);
      expect(await kernelScsiback(host)).to.equal(null);
    });
  }

  for (const [what, path, text] of [
    ["a comment", "/etc/modprobe.d/pvscsi.conf", "#blacklist xen_scsiback\n"],
    ["another module's line", "/etc/modprobe.d/pvscsi.conf", "blacklist xen_scsifront\n"],
    ["a file that modprobe does not read", "/etc/modprobe.d/pvscsi.conf.old", "blacklist xen_scsiback\n"],
  ]) {
    it(`is not kept out by ${what}`, async () => {
      withUdev();
      host.files.set(path, text);
      expect((await kernelScsiback(host))?.mend).to.equal(FORBID);
    });
  }

  it("is unloaded when that is wanted, and has to stay away", async () => {
    loaded();
    host.programs.set("modprobe -r xen-scsiback", () => {
      host.files.delete("/sys/module/xen_scsiback/refcnt");
      return "";
    });
    expect(await refusal(true)).to.equal("");
    withUdev();
    loaded();
    expect(await refusal(true)).to.match(/^udev would load/);
  });

  it("is unloaded though modprobe fails for what it depends on", async () => {
    loaded();
    host.programs.set("modprobe -r xen-scsiback", () => {
      host.files.delete("/sys/module/xen_scsiback/refcnt");
      return "";
    });
    const { output } = host;
    host.output = async (program, words) => {
      await output.call(host, program, words);
      return null;
    };
    expect(await refusal(true)).to.equal("");
  });

  it("that cannot be unloaded is told", async () => {
    loaded();
    expect(await refusal(true)).to.equal("modprobe -r xen-scsiback has failed: is it in use, or no module?");
  });
});
