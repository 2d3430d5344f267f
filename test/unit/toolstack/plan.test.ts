import { ConfigError, formatAddress } from "@pvscsi/config";
import { planControllers } from "@pvscsi/toolstack";
import { expect } from "chai";
import { config, devices, failure, lun, Stand } from "./stand.js";

const plan = (text: string, dialect?: "xend") =>
  planControllers(config(`name = "g"\n${text}`, dialect), () => ({ domain: 0, devices }));

/** The message of a ConfigError. */
async function fault(text: string, dialect?: "xend"): Promise<string> {
  const stand = await Stand.make();
  const error = await failure(stand.done(stand.vscsi.plan(config(`name = "g"\n${text}`, dialect))));
  expect(error).to.be.instanceOf(ConfigError);
  return (error as Error).message;
}

describe("what a configuration asks for", () => {
  it("is found device by device, on controllers by vHOST", () => {
    const planned = plan("vscsi = [ '0:0:0:1,4:0:0:0', '0:0:0:2,2:0:0:0', '/dev/sda,4:0:0:1,feature-x' ]");
    expect(
      planned.map(({ controller, luns }) => [controller.devid, controller.host, luns.map((l) => l.physicalDevice)]),
    ).to.deep.equal([
      [0, 4, ["p-0:0:0:1", "p-/dev/sda"]],
      [1, 2, ["p-0:0:0:2"]],
    ]);
  });

  it("is told at the p-dev where there is none", async () => {
    const message = "domU.cfg:3:15: pdev '/dev/missing': no such device";
    expect(await fault("vscsi = [ '0:0:0:1,0:0:0:0',\n             '/dev/missing,0:0:0:1' ]")).to.equal(message);
  });

  it("is told at the argument where scsi-attach named it", async () => {
    const stand = await Stand.make();
    const before = stand.dump();
    const error = await failure(stand.done(stand.vscsi.attach(1, lun("/dev/missing", "0:0:0:0"))));
    expect((error as Error).message).to.equal("argument:1:1: pdev '/dev/missing': no such device");
    expect(stand.dump()).to.equal(before);
  });

  it("may be a whole host (xend): its LUNs keep their addresses, devid is the host's number", () => {
    const [planned, other] = plan("vscsi = [ '5:9:9:9, host', '0:0:0:0, 6:0:0:0' ]", "xend");
    const { controller, luns } = planned;
    expect([controller.devid, controller.host, controller.featureHost]).to.deep.equal([5, 5, true]);
    expect(luns.map(({ device, physicalDevice }) => [physicalDevice, formatAddress(device.virtual)])).to.deep.equal([
      ["p-5:0:1:0", "5:0:1:0"],
      ["p-5:0:1:3", "5:0:1:3"],
    ]);
    expect([other.controller.devid, other.controller.featureHost]).to.deep.equal([6, false]);
  });

  it("cannot be a whole host that is not there, or one whose place is taken", async () => {
    expect(await fault("vscsi = [ '7:0:0:0, host' ]", "xend")).to.equal(
      "domU.cfg:2:12: pdev '7:0:0:0': no such host here",
    );
    expect(await fault("vscsi = [ '5:0:0:0, host', '5:0:0:1, host' ]", "xend")).to.match(
      /^domU.cfg:2:\d+: vdev '5:0:1:0' is already used/,
    );
    const entry = "name = 'g'\nvscsi = [ '5:0:0:0, host' ]";
    const { resolve } = devices;
    expect(() => planControllers(config(entry, "xend"), () => ({ domain: 0, devices: { resolve } }))).to.throw(
      /whole hosts are not known here/,
    );
  });

  it("may name the backend domain (xend), if it is the one there is", async () => {
    const stand = await Stand.make();
    for (const domain of ["0", "Domain-0"]) {
      const text = `name = 'g'\nvscsi = [ '0:0:0:0, 0:0:0:0, ${domain}' ]`;
      expect(await stand.done(stand.vscsi.plan(config(text, "xend")))).to.have.length(1);
    }
    expect(await fault("vscsi = [ '0:0:0:0, 0:0:0:0, storage' ]", "xend")).to.equal(
      "domU.cfg:2:12: backend domain 'storage': scsiback runs in Domain-0 only",
    );
  });
});
