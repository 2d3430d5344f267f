import { truncateSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { Dom0Stand } from "./dom0-stand.js";

const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, empty: true, type: cdrom }
      - { address: 0:0:1:0, memory: 1MiB }
`;

describe("cd-insert and cd-eject", () => {
  const dom0 = new Dom0Stand({
    "host.yaml": HOST,
    "domU.cfg": "name = 'domU'\nvscsi = [ '0:0:0:0,0:0:0:0', '0:0:1:0,0:0:0:1' ]\n",
  });

  it("exchange the disc of a drive, and say why nothing else has one", async () => {
    await dom0.good("create", "domU.cfg");
    const image = dom0.folder.path("a.iso");
    writeFileSync(image, "");
    truncateSync(image, 64 * 2048);
    expect(await dom0.good("cd-insert", "domU", "0:0:0:0", "a.iso")).to.equal("");
    expect(await dom0.good("cd-eject", "domU", "0:0:0:0")).to.equal("");
    for (const [words, reason] of [
      [["cd-insert", "domU", "0:0:0:0", "b.iso"], /cannot open .*b\.iso/],
      [["cd-insert", "domU", "0:0:0:1", "a.iso"], /is no CD\/DVD drive/],
      [["cd-eject", "domU", "0:0:0:7"], /is not attached to domain/],
    ] as const) {
      expect(await dom0.bad(...words)).to.match(reason);
    }
  });
});
