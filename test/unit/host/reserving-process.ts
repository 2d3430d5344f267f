// A process with one LUN in a file whose initiator changes its key for ever, kept through a loss of power: prints each key that was
// answered with GOOD, and is to be killed.

import { writeSync } from "node:fs";
import { parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { localTransportId, Nexus, Status, Target } from "@pvscsi/scsi";
import { Initiator } from "../scsi/initiator.js";
import { OUT, out } from "../scsi/reserving.js";

const [directory] = process.argv.slice(2);
const LUN = "hosts: [ { host: 0, luns: [ { address: 0:0:0:0, file: a.img, size: 1MiB, create: true } ] } ]";
const still = { now: () => 0, after: () => ({ due: 0 }), cancel: () => {} };
const host = openHost(parseHostConfig(LUN, "host.yaml"), { directory, clock: still });
const device = await host.open("0:0:0:0", { domain: 1, virtualDevice: "0:0:0:0" });
if (typeof device === "string") throw new Error(device);
const target = new Target();
target.add(0, device.logicalUnit);
const initiator = new Initiator(target, new Nexus(target, { initiatorPort: localTransportId("one") })).settle();

for (let key = 1; ; key++) {
  const sent = out(initiator, OUT.registerAndIgnore, { serviceKey: key, aptpl: true });
  while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
  if (sent.status !== Status.good) throw new Error(`key ${key}: ${sent.sense}`);
  writeSync(1, `${key}\n`);
}
