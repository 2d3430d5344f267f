// Tests the whole of the stack with each domain in a thread of its own, in shared memory: data, hotplug, driver domains,
// and what is left of a thread that is ended in the middle of its work.

import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseMachineConfig } from "@pvscsi/config";
import { expect } from "chai";
import { runWhole } from "pvscsi";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { ThreadSystem } from "./thread-system.js";

const MEBIBYTE = 1024 * 1024;
const HOST = `hosts:
  - host: 0
    luns:
      - { address: 0:0:0:0, memory: 16MiB }
      - { address: 0:0:1:0, memory: 16MiB }
`;
const DRIVER_HOST = "hosts:\n  - host: 3\n    luns:\n      - { address: 3:0:0:0, memory: 16MiB, product: REMOTE }\n";
const DRIVER = "name = 'storage'\nmemory = 32\ndriver_domain = 1\n";
const LOCAL = "name = 'local'\nmemory = 32\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n";
const REMOTE = "name = 'remote'\nmemory = 32\nvscsi = [ '3:0:0:0,0:0:0:0,backend=storage' ]\n";

describe("domains in threads", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let system: ThreadSystem;

  beforeEach(async () => {
    system = await ThreadSystem.start(HOST, DRIVER_HOST);
  });
  afterEach(async () => {
    await system.close();
    expect(system.hypervisor.domains()).to.deep.equal([]);
  });

  const create = (text: string) => system.toolstack.create(parseMachineConfig(text, { file: "test.cfg" }));

  async function good(...words: readonly string[]): Promise<string> {
    const { output, errors, status } = await runWhole(system, words);
    expect([status, errors], words.join(" ")).to.deep.equal([0, ""]);
    return output;
  }

  /** Writes random bytes to a guest's disk in pieces of one size, and reads them back in pieces of another. */
  async function copies(guest: string, disk: string): Promise<void> {
    const [image, copy] = [folder.path(`${guest}.raw`), folder.path(`${guest}-copy.raw`)];
    writeFileSync(image, randomBytes(16 * MEBIBYTE));
    await good("guest", guest, "--", "dd", `if=${image}`, `of=${disk}`, "bs=64k", "status=none");
    await good("guest", guest, "--", "dd", `if=${disk}`, `of=${copy}`, "bs=1M", "status=none");
    const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
    expect(sum(copy)).to.equal(sum(image));
  }

  it("move data over dom0's LUNs and a driver domain's, two guests at once", async () => {
    await create(DRIVER);
    await create(LOCAL);
    await create(REMOTE);
    expect(await good("guest", "remote", "--", "lsscsi")).to.include("REMOTE");
    await Promise.all([copies("local", "/dev/sda"), copies("remote", "/dev/sda")]);
  });

  it("get and lose a LUN, and leave nothing", async () => {
    const before = system.things();
    await create(LOCAL);
    await good("scsi-attach", "local", "0:0:1:0", "0:0:1:0");
    await copies("local", "/dev/sdb");
    await good("scsi-detach", "local", "0:0:1:0");
    expect(await good("guest", "local", "--", "lsscsi")).to.not.include("sdb");
    await good("destroy", "local");
    expect(system.things()).to.equal(before);
  });

  it("ended in the middle of their work leave nothing, and harm nobody", async () => {
    const driver = await create(DRIVER);
    await create(LOCAL);
    const before = system.things();
    const used = () => system.hypervisor.find(driver)?.describe().uses;
    for (let round = 0; round < 5; round++) {
      const guest = await create(REMOTE);
      const words = ["dd", "if=/dev/zero", "of=/dev/sda", "bs=256k", "count=64", "status=none"];
      const work = system.runInGuest(guest, words);
      await setTimeout(20 + 10 * round);
      await system.kill(guest);
      await work;
      await system.toolstack.destroy(guest);
      expect(system.things()).to.equal(before);
      expect(used()).to.equal(0);
    }
    expect(system.ends).to.include("remote: the thread at the other end has ended");
    await copies("local", "/dev/sda");
  });

  it("hear of a driver domain that is ended in the middle of its work: commands end, the others go on", async () => {
    const driver = await create(DRIVER);
    const guest = await create(REMOTE);
    await create(LOCAL);
    const words = ["dd", "if=/dev/sda", "of=/dev/null", "bs=64k", "status=none"];
    const work = system.runInGuest(guest, words);
    await setTimeout(5);
    await system.kill(driver);
    await system.toolstack.destroy(driver);
    await copies("local", "/dev/sda");
    await system.toolstack.destroy(guest);
    expect((await work).status).to.be.oneOf([0, 1]);
    const entries = system.hypervisor.domains().flatMap(({ table }) => table.describe());
    expect(entries.filter(({ to }) => to === driver || to === guest)).to.deep.equal([]);
  });
});
