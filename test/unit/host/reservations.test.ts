// Where a host keeps reservations, that they outlive its process, and that a LUN without them does not come up.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { localTransportId, Nexus, SENSE, Target } from "@pvscsi/scsi";
import type { Clock } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { Initiator, type Sent } from "../scsi/initiator.js";
import { IN, keys, OUT, out, persistentIn } from "../scsi/reserving.js";

const still: Clock = { now: () => 0, after: () => ({ due: 0 }), cancel: () => {} };
const FILE = "file: a.img, size: 1MiB, create: true";
const GUEST = { domain: 1, virtualDevice: "0:0:0:0" };

describe("a host's reservations", () => {
  const folder = temporaryFolder();

  const hostOf = (...luns: string[]) => {
    const lines = luns.map((lun, index) => `      - { address: "0:0:0:${index}", ${lun} }\n`);
    const text = `hosts:\n  - host: 0\n    luns:\n${lines.join("")}`;
    return openHost(parseHostConfig(text, "host.yaml"), { directory: folder.path(), clock: still });
  };

  /** An initiator of the first LUN, and how to be done with it. */
  async function opened(...luns: string[]) {
    const device = await hostOf(...luns).open("0:0:0:0", GUEST);
    if (typeof device === "string") throw new Error(device);
    const target = new Target();
    target.add(0, device.logicalUnit);
    const initiator = new Initiator(target, new Nexus(target, { initiatorPort: localTransportId("one") })).settle();
    return { initiator, end: () => initiator.nexus.close().then(() => device.release()) };
  }

  async function done(sent: Sent): Promise<void> {
    while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
    sent.good();
  }

  const register = (initiator: Initiator, key: number, aptpl = true): Promise<void> =>
    done(out(initiator, OUT.registerAndIgnore, { serviceKey: key, aptpl }));

  /** Whether APTPL can be had. */
  async function keeps(...luns: string[]): Promise<boolean> {
    const { initiator, end } = await opened(...luns);
    const capable = (persistentIn(initiator, IN.capabilities).bytes[2] & 1) === 1;
    await end();
    return capable;
  }

  it("are kept beside a LUN's file, for its owner alone, and gone with the last APTPL", async () => {
    const first = await opened(FILE);
    await register(first.initiator, 0x11);
    await first.end();
    const path = folder.path("a.img.reservations");
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(existsSync(`${path}.new`)).to.equal(false);
    const second = await opened(FILE);
    expect(keys(second.initiator)).to.deep.equal({ generation: 0, keys: [0x11] });
    await register(second.initiator, 0x12, false);
    expect(existsSync(path)).to.equal(false);
    await second.end();
    const third = await opened(FILE);
    expect(keys(third.initiator).keys).to.deep.equal([]);
    await third.end();
  });

  it("are kept where the LUN says, or not at all", async () => {
    const named = await opened("memory: 1MiB, reservations: kept");
    await register(named.initiator, 1);
    expect(readFileSync(folder.path("kept"), "ascii")).to.include("registered 0000000000000001 port 1");
    await named.end();
    expect(await keeps(FILE)).to.equal(true);
    for (const lun of ["memory: 1MiB", `${FILE}, reservations: none`, "file: a.img, readOnly: true"]) {
      expect(await keeps(lun), lun).to.equal(false);
    }
  });

  it("hold no LUN that cannot be reserved, whatever was kept", async () => {
    writeFileSync(folder.path("a.img.reservations"), "nonsense");
    const { initiator, end } = await opened(`${FILE}, reservable: false`);
    initiator.send("5e 00 00 00 00 00 00 00 08 00", { room: 8 }).checked(SENSE.invalidOpcode);
    await done(initiator.send("2a 00 00 00 00 00 00 00 01 00", { out: new Uint8Array(512) }));
    await end();
  });

  it("of two LUNs are not in one file", () => {
    const where = (a: string, b: string) => () => hostOf(`memory: 1MiB, ${a}`, `${FILE}, ${b}`);
    expect(where("reservations: kept", "reservations: ./kept")).to.throw(
      /^host.yaml:5:9: reservations of 0:0:0:0 \(\/dev\/sda\) are in .*kept already$/,
    );
    expect(where("reservations: a.img.reservations", "block: 512")).to.throw(/are in .* already/);
    where("reservations: none", "reservations: none")();
  });

  it("that cannot be read keep the LUN from coming up, with the reason, and its file is given back", async () => {
    const path = folder.path("a.img.reservations");
    const open = () => hostOf(FILE).open("0:0:0:0", GUEST);
    writeFileSync(path, "nonsense\n");
    expect(await open()).to.equal(
      `reservations of 0:0:0:0 (/dev/sda) in ${path}: line 1 is "nonsense", expected ` +
        '"pvscsi persistent reservations, version 1"; mend it, or remove it if nobody relies on it',
    );
    writeFileSync(path, Buffer.alloc((1 << 20) + 1));
    expect(await open()).to.match(/cannot read reservations in .*: it has 1048577 bytes, expected 1048576 at most/);
    const host = hostOf("memory: 1MiB, reservations: folder", FILE);
    mkdirSync(folder.path("folder"));
    expect(await host.open("0:0:0:0", GUEST)).to.match(/cannot read reservations in .*folder: it is no file/);
    writeFileSync(path, "");
    expect(await host.open("0:0:0:1", GUEST)).to.match(/line 1 is "", expected/);
    expect(await host.open("0:0:0:1", GUEST)).to.match(/line 1 is "", expected/);
  });

  it("follow no link where they are written, and fail where they cannot be", async () => {
    const { initiator, end } = await opened(FILE);
    writeFileSync(folder.path("victim"), "whole");
    symlinkSync(folder.path("victim"), folder.path("a.img.reservations.new"));
    await register(initiator, 1);
    expect(readFileSync(folder.path("victim"), "ascii")).to.equal("whole");
    mkdirSync(folder.path("a.img.reservations.new"));
    const failing = out(initiator, OUT.registerAndIgnore, { serviceKey: 2, aptpl: true });
    while (failing.ends === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(failing.status).to.equal(2);
    expect(keys(initiator).keys).to.deep.equal([1]);
    await end();
  });

  it("that were answered outlive a process that is killed at any moment", async () => {
    const program = fileURLToPath(new URL("reserving-process.js", import.meta.url));
    let last = 0;
    for (const answers of [1, 7, 20]) {
      const child = spawn(process.execPath, [program, folder.path()], { stdio: ["ignore", "pipe", "inherit"] });
      let printed = "";
      await new Promise<void>((resolve) => {
        child.stdout.on("data", (data) => {
          printed += data;
          if (printed.split("\n").length > answers) child.kill("SIGKILL");
        });
        child.on("close", () => resolve());
      });
      const lines = printed.split("\n");
      last = Number(lines[lines.length - 2]);
      const { initiator, end } = await opened(FILE);
      // The next one may have been written as well, and not been answered any more.
      const [key] = keys(initiator).keys;
      expect([last, last + 1]).to.include(key);
      await end();
    }
    expect(last).to.be.at.least(20);
  }).timeout(30_000);
});
