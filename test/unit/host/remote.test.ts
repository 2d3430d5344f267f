// A LUN of the host that is a logical unit of an iSCSI target: the portal is ours, on a socket of this machine.

import { randomBytes } from "node:crypto";
import { parseHostConfig } from "@pvscsi/config";
import { type Host, openHost } from "@pvscsi/host";
import { type IscsiServer, openGroup, serveIscsi } from "@pvscsi/iscsi";
import { createDisk, MemoryStore, type OpenedDevice, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { IDENTITY, Initiator, pattern, type Sent, toHex } from "../scsi/initiator.js";
import { refused } from "./support.js";

const NAME = "iqn.2026-11.example:remote";
const GUEST = { domain: 1, virtualDevice: "0:0:0:0" };

describe("a LUN of the host that is a remote one", () => {
  let server: IscsiServer;
  let store: MemoryStore;

  beforeEach(async () => {
    server = await serveIscsi({
      listen: [{ port: 0 }],
      clock: realClock,
      scheduler: realScheduler,
      unguessable: (length) => randomBytes(length),
    });
    store = new MemoryStore(1 << 20);
    const target = new Target();
    target.add(3, createDisk({ ...IDENTITY, store }));
    server.portal.add({ name: NAME, groups: [openGroup(target)] });
  });
  afterEach(() => server.close());

  function hostOf(url: string, more = ""): Host {
    const text = `hosts:\n- host: 0\n  luns:\n  - address: 0:0:0:0\n    iscsi: ${url}\n${more}`;
    const initiator = { name: "iqn.2026-11.example:host", scheduler: realScheduler, timeouts: { login: 2000 } };
    return openHost(parseHostConfig(text, "host.yaml"), {
      directory: ".",
      clock: realClock,
      unguessable: (length) => randomBytes(length),
      initiator,
    });
  }

  const urlOf = (name = NAME, lun = 3): string => `iscsi://${server.addresses[0]}/${name}/${lun}`;

  async function ended(sent: Sent): Promise<Sent> {
    for (let i = 0; sent.ends === 0 && i < 500; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    return sent;
  }

  it("answers as the target does, and keeps what is written there", async () => {
    const host = hostOf(`${urlOf()}?header_digest=crc32c&data_digest=crc32c`);
    const device = (await host.open("0:0:0:0", GUEST)) as OpenedDevice;
    expect(device.logicalUnit.deviceType).to.equal(0);
    const target = new Target();
    target.add(0, device.logicalUnit);
    const initiator = new Initiator(target);
    // Those of this target, and of the remote one.
    for (const _ of [1, 2]) await ended(initiator.send("00 00 00 00 00 00"));
    const inquiry = await ended(initiator.send("12 00 00 00 60 00", { room: 255 }));
    expect(inquiry.bytes).to.have.length(96);
    expect(inquiry.task.residual).to.equal(255 - 96);
    const written = pattern(4096, 3);
    (await ended(initiator.send("2a 00 00 00 00 08 00 00 08 00", { out: written }))).good();
    const read = await ended(initiator.send("28 00 00 00 00 08 00 00 08 00", { room: 4096 }));
    expect(read.data).to.equal(toHex(written));
    const beyond = await ended(initiator.send("28 00 7f ff ff ff 00 00 01 00", { room: 512 }));
    expect(toHex(beyond.task.sense.subarray(0, 14))).to.equal("70 00 05 00 00 00 00 0a 00 00 00 00 21 00");
    await device.release();
    expect(await host.grow("0:0:0:0", 1 << 21)).to.match(/is not in use$/);
  });

  it("is refused in words where there is no such LUN or target, or nobody answers", async () => {
    expect(refused(await hostOf(urlOf(NAME, 4)).open("0:0:0:0", GUEST))).to.equal(
      `cannot open ${urlOf(NAME, 4)}: there is no logical unit 4`,
    );
    expect(refused(await hostOf(urlOf("iqn.2026-11.example:none")).open("0:0:0:0", GUEST))).to.match(
      /^cannot open iscsi:\/\/127\.0\.0\.1:\d+\/iqn\.2026-11\.example:none\/3: .*target/i,
    );
    const url = urlOf();
    await server.close();
    expect(refused(await hostOf(url.replace("//", "//user%secret@")).open("0:0:0:0", GUEST))).to.match(
      /^cannot open iscsi:\/\/127\.0\.0\.1:\d+\/\S+\/3: .*ECONNREFUSED/,
    );
  });
});
