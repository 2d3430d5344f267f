import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostOfLunWords } from "@pvscsi/config";
import { type Host, openHost } from "@pvscsi/host";
import { type OpenedDevice, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock } from "../../support/node-platform.js";
import { Initiator, pattern, type Sent } from "../scsi/initiator.js";
import { ended, locate, read, rewind, space, write, writeFilemarks } from "../scsi/taping.js";
import { temporaryFolder } from "./support.js";

const GUEST = { domain: 3, virtualDevice: "0:0:0:0" };

/** How a command ends that a file is asked for. */
async function end(sent: Sent): Promise<string> {
  while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
  return ended(sent);
}

describe("a tape in files", () => {
  const folder = temporaryFolder();
  let host: Host | null = null;
  let device: OpenedDevice | null = null;

  afterEach(leave);

  async function leave(): Promise<void> {
    await device?.release();
    host = null;
    device = null;
  }

  async function open(word: string): Promise<Initiator> {
    await leave();
    host = openHost(hostOfLunWords([word]), { directory: folder(), clock: realClock });
    const found = await host.open("0:0:0:0", GUEST);
    if (typeof found === "string") throw new Error(found);
    device = found;
    const target = new Target();
    target.add(0, found.logicalUnit);
    const initiator = new Initiator(target);
    while ((await end(initiator.send("00 00 00 00 00 00"))) !== "good");
    return initiator;
  }

  async function walk(initiator: Initiator): Promise<number[]> {
    await end(rewind(initiator));
    for (const found: number[] = []; ; ) {
      const sent = read(initiator, 4096, { flags: 2 });
      const how = await end(sent);
      if (how.startsWith("8/0/5")) return found;
      found.push(how.startsWith("0/0/1") ? 0 : sent.task.transferLength);
    }
  }

  it("has what was written when it is opened again, and all that was whole when its file was cut", async () => {
    const word = "a.tap,size=4MiB,type=tape";
    const initiator = await open(word);
    for (const length of [100, 333]) expect(await end(write(initiator, pattern(length)))).to.equal("good");
    expect(await end(writeFilemarks(initiator))).to.equal("good");
    expect(await end(write(initiator, pattern(50)))).to.equal("good");
    const path = join(folder(), "a.tap");
    expect(readFileSync(path).length).to.equal(108 + 342 + 4 + 58);
    expect(await walk(await open(word))).to.deep.equal([100, 333, 0, 50]);
    await leave();
    truncateSync(path, 108 + 342 + 4 + 57);
    const again = await open(word);
    expect(await walk(again)).to.deep.equal([100, 333, 0]);
    expect(await end(locate(again, 1))).to.equal("good");
    expect(await end(write(again, pattern(7)))).to.equal("good");
    expect(readFileSync(path).length).to.equal(108 + 16);
    expect(await walk(again)).to.deep.equal([100, 7]);
  });

  it("keeps where its records are while it is closed, and believes that of no file that somebody else has written", async () => {
    const word = "e.tap,size=4MiB,type=tape";
    const path = join(folder(), "e.tap");
    const initiator = await open(word);
    for (const length of [100, 100, 333]) expect(await end(write(initiator, pattern(length)))).to.equal("good");
    expect(await end(writeFilemarks(initiator))).to.equal("good");
    expect(existsSync(`${path}.index`)).to.equal(false);
    await leave();
    const index = readFileSync(`${path}.index`, "ascii").split("\n");
    expect(index.slice(2)).to.deep.equal(["end 562", "0 100 2", "216 333 1", "558 0 1", "end", ""]);
    // One that says something else is believed: so it is read.
    writeFileSync(`${path}.index`, index.join("\n").replace("0 100 2\n216", "0 208 1\n216"));
    expect(await walk(await open(word))).to.deep.equal([208, 333, 0]);
    await leave();
    writeFileSync(path, readFileSync(path));
    expect(await walk(await open(word))).to.deep.equal([100, 100, 333, 0]);
    await leave();
    const again = await open(word);
    expect(await end(locate(again, 2))).to.equal("good");
    expect(await end(write(again, pattern(5)))).to.equal("good");
    expect(existsSync(`${path}.index`)).to.equal(false);
    expect(await walk(await open(word))).to.deep.equal([100, 100, 5]);
  });

  it("keeps two partitions, and goes back to one", async () => {
    const word = "b.tap,size=8MiB,type=tape";
    let initiator = await open(word);
    const list = "00 00 10 00 11 0a 01 01 34 03 00 00 ff ff 00 02";
    expect(await end(initiator.send("15 10 00 00 10 00", { out: list }))).to.equal("good");
    expect(await end(initiator.send("04 00 01 00 00 00"))).to.equal("good");
    expect(await end(write(initiator, pattern(10)))).to.equal("good");
    expect(await end(locate(initiator, 0, 1))).to.equal("good");
    expect(await end(write(initiator, pattern(20)))).to.equal("good");
    expect(readFileSync(join(folder(), "b.tap.partitions"), "ascii")).to.equal(
      `${8 * 1024 * 1024 - 2_000_000} 2000000\n`,
    );
    initiator = await open(word);
    expect(await walk(initiator)).to.deep.equal([10]);
    expect(await end(locate(initiator, 0, 1))).to.equal("good");
    expect(await end(space(initiator, 0, 1))).to.equal("good");
    expect(await end(space(initiator, 0, 1))).to.equal("8/0/5 1");
    expect(await end(rewind(initiator))).to.equal("good");
    expect(await end(initiator.send("04 00 00 00 00 00"))).to.equal("good");
    expect(await walk(initiator)).to.deep.equal([]);
    expect(existsSync(join(folder(), "b.tap.1"))).to.equal(false);
    expect(existsSync(join(folder(), "b.tap.partitions"))).to.equal(false);
  });

  it("is protected, written once, missing, or too small", async () => {
    const initiator = await open("c.tap,size=4MiB,type=tape,worm,barcode=PV0001L6");
    expect(await end(write(initiator, pattern(10)))).to.equal("good");
    expect(await end(rewind(initiator))).to.equal("good");
    expect(await end(write(initiator, pattern(10)))).to.equal("7/30/c");
    const reader = await open("c.tap,type=tape,ro");
    expect(await end(write(reader, pattern(10)))).to.equal("7/27/0");
    expect(await walk(reader)).to.deep.equal([10]);
    const missing = await open("d.tap,type=tape").catch((error: Error) => error.message);
    expect(missing).to.match(/cannot open .*d\.tap: no such file/);
    const small = await open("mem:64KiB,type=tape").catch((error: Error) => error.message);
    expect(small).to.match(/it takes 65536 bytes, expected 1048576 at least/);
  });

  it("in memory stays what it is from one user to the next", async () => {
    const initiator = await open("mem:4MiB,type=tape");
    expect(await end(write(initiator, pattern(10)))).to.equal("good");
    await device?.release();
    const found = await host?.open("0:0:0:0", GUEST);
    if (found === undefined || typeof found === "string") return expect.fail(found);
    device = found;
    const target = new Target();
    target.add(0, found.logicalUnit);
    expect(await walk(new Initiator(target).settle())).to.deep.equal([10]);
  });
});
