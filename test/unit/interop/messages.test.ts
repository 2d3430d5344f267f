// The comparison of what a guest says with the golden guest of tcm_vhost.

import { expect } from "chai";
import { missingIn } from "../../interop/qemu/messages.js";
import { goldenText } from "../../support/repository.js";

const GOLDEN = goldenText("vhost-scsi-guest.txt");

describe("the lines of a guest of tcm_vhost", () => {
  it("are all there when others stand between them, at other times", () => {
    const text = GOLDEN.replaceAll(/^\[ +\d/gm, "[    7").replaceAll("\n", "\n[    9.000000] systemd: something\n");
    expect(missingIn(text)).to.deep.equal([]);
  });

  it("may tell of another standard, and of mode pages of another length", () => {
    expect(missingIn(GOLDEN.replace("ANSI: 5", "ANSI: 7").replace("Sense: 43", "Sense: 5b"))).to.deep.equal([]);
  });

  it("are missed one by one", () => {
    const text = GOLDEN.replace("supports DPO and FUA", "doesn't support DPO or FUA").replace("LIO-ORG  disk0", "QEMU");
    expect(missingIn(text)).to.deep.equal([
      "[0:0:1:0] disk LIO-ORG disk0 4.0 /dev/sda /dev/sg0",
      "sd 0:0:1:0: [sda] Write cache: enabled, read cache: enabled, supports DPO and FUA",
    ]);
    expect(missingIn("")).to.have.length(9);
  });
});
