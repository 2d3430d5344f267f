// SANITIZE and FORMAT UNIT of a LUN in a file, through kill -9: what stands beside the file, and that the next process goes on.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { Nexus, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock } from "../../support/node-platform.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { Initiator } from "../scsi/initiator.js";

const READY = "00 00 00 00 00 00";
const FORMAT = "04 00 00 00 00 00";

describe("what goes through the medium of a file", () => {
  const folder = temporaryFolder();

  const opening = (lun: string) => {
    const text = `hosts: [ { host: 0, luns: [ { address: 0:0:0:0, ${lun} } ] } ]`;
    const host = openHost(parseHostConfig(text, "host.yaml"), { directory: folder.path(), clock: realClock });
    return host.open("0:0:0:0", { domain: 1, virtualDevice: "0:0:0:0" });
  };

  async function opened(lun: string) {
    const device = await opening(lun);
    if (typeof device === "string") throw new Error(device);
    const target = new Target();
    target.add(0, device.logicalUnit);
    const initiator = new Initiator(target, new Nexus(target, { initiator: "one" })).settle();
    return { initiator, end: () => initiator.nexus.close().then(() => device.release()) };
  }

  const kept = (): boolean => existsSync(folder.path("a.img.operation"));

  it("goes on after SIGKILL at any moment, keeps commands out meanwhile, and is forgotten when it is done", async () => {
    const program = fileURLToPath(new URL("sanitizing-process.js", import.meta.url));
    for (const milliseconds of [0, 60, 150]) {
      const child = spawn(process.execPath, [program, folder.path()], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = new Promise((resolve) => child.on("close", resolve));
      const [status] = await new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(`${data}`)));
      await sleep(milliseconds);
      child.kill("SIGKILL");
      await ended;
      expect(status).to.equal("0");
      expect(statSync(folder.path("a.img.operation")).mode & 0o777).to.equal(0o600);
      const { initiator, end } = await opened("file: a.img");
      initiator.send(READY).checked(SENSE.sanitizeInProgress);
      await end();
      expect(readFileSync(folder.path("a.img")).every((byte) => byte === 0x77)).to.equal(true);
      expect(kept()).to.equal(false);
      writeFileSync(folder.path("a.img"), Buffer.alloc(1 << 20, 1));
    }
  });

  it("is kept beside a file only, and leaves nothing when it has ended", async () => {
    const { initiator, end } = await opened("file: a.img, size: 1MiB, create: true");
    const sent = initiator.send(FORMAT);
    while (sent.ends === 0) await sleep(1);
    sent.good();
    expect(kept()).to.equal(false);
    await end();
    const memory = await opened("memory: 1MiB");
    memory.initiator.send(FORMAT).good();
    await memory.end();
  });

  it("has failed for whoever only reads", async () => {
    writeFileSync(folder.path("a.img"), Buffer.alloc(1 << 20, 1));
    const text = "pvscsi operation, version 1\nkind sanitize\nfailed false\nexits false\npass discard\nend\n";
    writeFileSync(folder.path("a.img.operation"), text);
    const { initiator, end } = await opened("file: a.img, readOnly: true");
    initiator.send(READY).checked(SENSE.sanitizeCommandFailed);
    await end();
    expect(readFileSync(folder.path("a.img.operation"), "ascii")).to.equal(text);
  });

  it("that cannot be read keeps the LUN from coming up, with the reason", async () => {
    writeFileSync(folder.path("a.img"), Buffer.alloc(1 << 20, 1));
    writeFileSync(folder.path("a.img.operation"), "nonsense\n");
    expect(await opening("file: a.img")).to.equal(
      `an operation of 0:0:0:0 (/dev/sda) in ${folder.path("a.img.operation")}: line 1 is "nonsense", ` +
        'expected "pvscsi operation, version 1"; mend it, or remove it if nobody relies on it',
    );
  });
});
