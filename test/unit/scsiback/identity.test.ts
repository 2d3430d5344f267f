// Judges whose port a guest's commands come by, as reservations remember it.

import { localTransportId } from "@pvscsi/scsi";
import { expect } from "chai";
import { onEachPlatform, Stand } from "./stand.js";

onEachPlatform("who a guest is", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  /** The nexus of a target of the only controller. */
  function identity(channel: number, target: number) {
    const [controller] = stand.back.controllers.values();
    const { initiatorPort, targetPort } = controller.table.find(channel, target, 0)?.nexus.identity ?? {};
    return [initiatorPort?.text, targetPort];
  }
  const port = (place: string): string => localTransportId(place).text;

  const LUNS = [
    ["disk", "0:0:0:0"],
    ["holding", "0:0:5:0"],
  ] as const;

  it("says domain, device and channel, and the target by its port", async () => {
    await stand.connected(LUNS.slice(0, 1), 3);
    expect(identity(0, 0)).to.deep.equal([port("xen domain 1 device 3 channel 0"), 1]);
  });

  it("is another port of the target for each target", async () => {
    const front = stand.front(await stand.device(LUNS));
    await stand.world.settle();
    await front.connect();
    await stand.world.settle();
    expect(identity(0, 5)).to.deep.equal([port("xen domain 1 device 0 channel 0"), 6]);
    expect(identity(0, 0)).to.deep.equal([port("xen domain 1 device 0 channel 0"), 1]);
  });

  it("is the guest's UUID where its toolstack has written one", async () => {
    await stand.world.done(stand.world.tool.write("/local/domain/1/vm", "/vm/4a9b2c3d-0000-4000-8000-000000000001"));
    await stand.connected(LUNS.slice(0, 1));
    expect(identity(0, 0)).to.deep.equal([port("xen 4a9b2c3d-0000-4000-8000-000000000001 device 0 channel 0"), 1]);
  });
});
