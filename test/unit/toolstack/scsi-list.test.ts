import { type ControllerInfo, formatControllers, formatScsiList, type LunInfo, scsiListRows } from "@pvscsi/toolstack";
import { expect } from "chai";
import { BACK, FRONT, GUEST, Stand } from "./stand.js";

const lunInfo = (virtualDevice: string, physicalDevice: string, physicalName: string): LunInfo => ({
  name: "dev-0",
  virtualDevice,
  physicalDevice,
  physicalName,
  backendState: 4,
  frontendState: 4,
});

const controller = (changes: Partial<ControllerInfo>): ControllerInfo => ({
  domain: 1,
  devid: 0,
  backendDomain: 0,
  frontendPath: "/f",
  backendPath: "/b",
  host: 0,
  featureHost: false,
  frontendState: 4,
  backendState: 4,
  ringReference: 8,
  eventChannel: 3,
  luns: [],
  ...changes,
});

describe("scsi-list", () => {
  it("has xm's columns: Idx 3, BE 3, state 5, host 4 and two blanks, phy-hctl 10, phy 5, vir-hctl 10, devstate", () => {
    const rows = scsiListRows([controller({ luns: [lunInfo("0:0:0:0", "2:0:0:1", "sda")] })]);
    expect(formatScsiList(rows)).to.equal(
      [
        "Idx BE  state host  phy-hctl   phy   vir-hctl   devstate",
        "0   0   4     0     2:0:0:1    sda   0:0:0:0    4",
      ].join("\n"),
    );
  });

  it("widens a column for what is longer, so that all lines stay in line", () => {
    const long = lunInfo("0:0:0:1", "naa.50060e8007c3a103:3", "/dev/disk/by-id/scsi-35000c500a1b2c3d4");
    const rows = scsiListRows([controller({ featureHost: true, luns: [lunInfo("0:0:0:0", "2:0:0:1", "sda"), long] })]);
    const lines = formatScsiList(rows).split("\n");
    const at = lines[0].indexOf("vir-hctl");
    expect(lines.slice(1).map((line) => line.slice(at, at + 7))).to.deep.equal(["0:0:0:0", "0:0:0:1"]);
    expect(lines[1].slice(14, 15)).to.equal("1");
  });

  it("has its header alone where there is nothing", () => {
    expect(formatScsiList([])).to.equal("Idx BE  state host  phy-hctl   phy   vir-hctl   devstate");
    expect(formatControllers([])).to.equal("");
  });

  it("sorts LUNs by the numbers of their virtual addresses", async () => {
    const stand = await Stand.make();
    for (const virtual of ["0:0:10:0", "0:0:2:1", "0:0:2:0"]) await stand.attach("0:0:0:0", virtual);
    const controllers = await stand.done(stand.vscsi.list(GUEST));
    expect(scsiListRows(controllers).map((row) => row.virtual)).to.deep.equal(["0:0:2:0", "0:0:2:1", "0:0:10:0"]);
  });

  it("shows everything that xenstore says in the long form", async () => {
    const stand = await Stand.make();
    await stand.attach("0:0:3:0", "7:0:1:2");
    await stand.world.write({ [`${FRONT}/0/ring-ref`]: "9", [`${FRONT}/0/event-channel`]: "5" });
    expect(formatControllers(await stand.done(stand.vscsi.list(GUEST)))).to.equal(
      [
        "domain 1, controller 0: vHOST 7, feature-host 0",
        `  back end   ${BACK}/0  4 Connected`,
        `  front end  ${FRONT}/0  4 Connected`,
        "  ring-ref 9, event-channel 5",
        "  dev-0: v-dev 7:0:1:2, p-dev p-0:0:3:0 (0:0:3:0), back end 4 Connected, front end 4 Connected",
      ].join("\n"),
    );
    await stand.done(stand.world.tool.remove(`${BACK}/0/state`));
    await stand.done(stand.world.tool.remove(`${FRONT}/0`));
    const long = formatControllers(await stand.done(stand.vscsi.list(GUEST)));
    expect(long)
      .to.include(`${BACK}/0  gone`)
      .and.include(`${FRONT}/0  0 Unknown`)
      .and.include("ring-ref -, event-channel -");
  });

  it("believes nothing a guest writes into its own half but what it says of itself", async () => {
    const stand = await Stand.make();
    await stand.attach("0:0:0:0", "0:0:0:0");
    await stand.world.write({
      [`${FRONT}/0/backend`]: "/local/domain/0/backend/vscsi/9/9",
      [`${FRONT}/0/vscsi-devs/dev-77/state`]: "4",
      [`${FRONT}/0/state`]: "4 or so",
      [`${FRONT}/0/ring-ref`]: "none",
    });
    const [found, ...more] = await stand.done(stand.vscsi.list(GUEST));
    expect(more).to.deep.equal([]);
    expect([found.backendPath, found.luns.length, found.frontendState, found.ringReference]).to.deep.equal([
      `${BACK}/0`,
      1,
      4,
      null,
    ]);
  });
});
