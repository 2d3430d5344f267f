// Knows a back end like that of `pvscsi xen serve`, but with a disk that does not keep what is written to it, so that the judges of
// disks can be judged: `node spoiling-backend.js MEBIBYTES`, in the dom0 of a Xen host, until SIGTERM.

import { once } from "node:events";
import { createDisk, type DeviceDirectory, MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { ProbeHub } from "@pvscsi/wire";
import { hostCalls, openHostDomain } from "@pvscsi/xenbus";
import { nodeClock, nodeScheduler } from "pvscsi";
import { withBitFlips } from "../fio/bit-flips.js";

const MIB = 1024 * 1024;
const IDENTITY = { vendor: "PVSCSI", product: "SPOILED DISK", revision: "0001", serial: "1", wwn: "5000000000000001" };

const store = withBitFlips(new MemoryStore(Number(process.argv[2]) * MIB), 1);
const logicalUnit = createDisk({ ...IDENTITY, store, blockSize: 512 });
const directory: DeviceDirectory = {
  open: async (physicalDevice) => {
    return physicalDevice === "0:0:0:0" ? { logicalUnit, release: async () => {} } : `no device ${physicalDevice}`;
  },
};
const scheduler = nodeScheduler();
const ended = once(process, "SIGTERM");
const domain = await openHostDomain({ calls: await hostCalls(), scheduler });
const scsiback = new Scsiback({ domain, directory, clock: nodeClock, scheduler, probes: new ProbeHub() });
await scsiback.start();
console.log("a disk that spoils each write is served");
await ended;
await scsiback.close();
await domain.close();
