// What a back end can see of pages that it is granted for less than a page.

import type { MappedPage } from "@pvscsi/xen";
import { expect } from "chai";
import { ScriptedBack } from "../../support/scripted-back.js";
import { VscsiNodes } from "../../support/vscsi-nodes.js";
import { Stand, TestCommand } from "./stand.js";

describe("scsifront: bytes beside a segment", () => {
  it("XSA-403: are zeros to a back end that did not have the page before", async () => {
    const stand = await Stand.make();
    const back = await stand.connected();
    const used = stand.adapter.allocate(2);
    for (const page of used) page.fill(0xee);
    stand.adapter.free(used);
    // One of them becomes its ring.
    const nodes = await VscsiNodes.create(stand.world, { guest: 1, device: 1, luns: [["p", "0:0:0:0"]] });
    const other = await new ScriptedBack(stand.world, stand.dom0, nodes).connect(1);
    const [page] = stand.adapter.allocate(1);
    expect(used).to.include(page);
    const command = new TestCommand([0x12, 0, 0, 0, 36, 0], { direction: "from-device" });
    command.data.add(page, 100, 36);
    await stand.queue(command);
    const [{ rqid, segments }] = other.take();
    const seen = other.domain.map(1, segments[0].gref, "read-only") as MappedPage;
    expect(seen.bytes.every((byte) => byte === 0)).to.equal(true);
    other.domain.unmap(seen);
    other.answer(rqid);
    await stand.world.settle();
    stand.adapter.free([page]);
    other.unmap();
    await other.write({ state: "6" });
    await stand.world.advance(5000);
    await nodes.remove();
    await stand.end(back);
  });
});
