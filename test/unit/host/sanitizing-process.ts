// A process with one LUN in a file whose initiator asks for SANITIZE/OVERWRITE with IMMED, prints the status, and is to be killed while
// it goes through the medium, which takes its time.

import { writeSync } from "node:fs";
import { parseHostConfig } from "@pvscsi/config";
import { openHost } from "@pvscsi/host";
import { Nexus, Target } from "@pvscsi/scsi";
import { realClock } from "../../support/node-platform.js";
import { Initiator } from "../scsi/initiator.js";

const [directory] = process.argv.slice(2);
const LUN = '{ address: 0:0:0:0, file: a.img, size: 1MiB, create: true, faults: [ "write:delay=20ms" ] }';
const config = parseHostConfig(`hosts: [ { host: 0, luns: [ ${LUN} ] } ]`, "host.yaml");
const device = await openHost(config, { directory, clock: realClock }).open("0:0:0:0", {
  domain: 1,
  virtualDevice: "0:0:0:0",
});
if (typeof device === "string") throw new Error(device);
const target = new Target();
target.add(0, device.logicalUnit);
const initiator = new Initiator(target, new Nexus(target, { initiator: "one" })).settle();
const sent = initiator.send("48 81 00 00 00 00 00 00 05 00", { out: "01 00 00 01 77" });
while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
writeSync(1, `${sent.status}\n`);
