// Linux' drivers for what is no disk: what each calls its devices, and what it prints when it binds.

import { expect } from "chai";
import { libraryStand } from "./library-stand.js";

describe("drivers of tapes, changers, CD drives and shelves", () => {
  it("say what Linux' st, sr, ch and ses say", async () => {
    const { stand } = await libraryStand();
    expect(stand.log()).to.deep.equal([
      "scsi host0: direct",
      "scsi 0:0:0:0: Medium Changer    PVSCSI   VIRTUAL LIBRARY  0001 PQ: 0 ANSI: 6",
      "SCSI Media Changer driver v0.25 ",
      "ch 0:0:0:0: Power-on or device reset occurred",
      "ch 0:0:0:0: [ch0] type #1 (mt): 0x1+1 [medium transport]",
      "ch 0:0:0:0: [ch0] type #2 (st): 0x1000+4 [storage]",
      "ch 0:0:0:0: [ch0] type #3 (ie): 0x10+1 [import/export]",
      "ch 0:0:0:0: [ch0] type #4 (dt): 0x100+2 [data transfer]",
      "ch 0:0:0:0: [ch0] dt 0x100: ",
      "ch 0:0:0:0: [ch0] ID/LUN unknown",
      "ch 0:0:0:0: [ch0] dt 0x101: ",
      "ch 0:0:0:0: [ch0] ID/LUN unknown",
      "ch 0:0:0:0: [ch0] INITIALIZE ELEMENT STATUS, may take some time ...",
      "ch 0:0:0:0: [ch0] ... finished",
      "ch 0:0:0:0: Attached scsi changer ch0",
      "ch 0:0:0:0: Attached scsi generic sg0 type 8",
      "scsi 0:0:0:1: Sequential-Access PVSCSI   VIRTUAL TAPE     0001 PQ: 0 ANSI: 6",
      "st: Version 20160209, fixed bufsize 32768, s/g segs 256",
      "st 0:0:0:1: Attached scsi tape st0",
      "st 0:0:0:1: st0: try direct i/o: yes (alignment 4 B)",
      "st 0:0:0:1: Attached scsi generic sg1 type 1",
      "scsi 0:0:0:2: Sequential-Access PVSCSI   VIRTUAL TAPE     0001 PQ: 0 ANSI: 6",
      "st 0:0:0:2: Attached scsi tape st1",
      "st 0:0:0:2: st1: try direct i/o: yes (alignment 4 B)",
      "st 0:0:0:2: Attached scsi generic sg2 type 1",
      "scsi 0:0:0:3: CD-ROM            PVSCSI   VIRTUAL CD-ROM   0001 PQ: 0 ANSI: 6",
      "sr 0:0:0:3: Power-on or device reset occurred",
      "sr 0:0:0:3: [sr0] scsi3-mmc drive: 40x/40x cd/rw tray",
      "cdrom: Uniform CD-ROM driver Revision: 3.20",
      "sr 0:0:0:3: Attached scsi CD-ROM sr0",
      "sr 0:0:0:3: Attached scsi generic sg3 type 5",
      "scsi 0:0:0:4: Enclosure         PVSCSI   VIRTUAL SHELF    0001 PQ: 0 ANSI: 6",
      "ses 0:0:0:4: Attached Enclosure device",
      "ses 0:0:0:4: Attached scsi generic sg4 type 13",
    ]);
  });

  it("have nodes that lsscsi prints", async () => {
    const { stand } = await libraryStand();
    expect((await stand.run("lsscsi", "-g")).output.split("\n")).to.deep.equal([
      "[0:0:0:0]    mediumx PVSCSI   VIRTUAL LIBRARY  0001  /dev/sch0  /dev/sg0 ",
      "[0:0:0:1]    tape    PVSCSI   VIRTUAL TAPE     0001  /dev/st0   /dev/sg1 ",
      "[0:0:0:2]    tape    PVSCSI   VIRTUAL TAPE     0001  /dev/st1   /dev/sg2 ",
      "[0:0:0:3]    cd/dvd  PVSCSI   VIRTUAL CD-ROM   0001  /dev/sr0   /dev/sg3 ",
      "[0:0:0:4]    enclosu PVSCSI   VIRTUAL SHELF    0001  -          /dev/sg4 ",
      "",
    ]);
  });

  it("give their numbers back", async () => {
    const { stand, host, target } = await libraryStand();
    expect(stand.guest.device("/dev/nst1")?.name).to.equal("0:0:0:2");
    expect(stand.guest.device("st1")?.name).to.equal("0:0:0:2");
    target.remove(1);
    await stand.until(stand.guest.rescan(host));
    expect(stand.guest.device("nst0")).to.equal(undefined);
    expect(stand.guest.device("nst1")?.name).to.equal("0:0:0:2");
  });
});
