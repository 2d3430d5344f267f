// A program: serves a file as a virtio-blk device to one guest of QEMU's, over the socket it is told, until its input ends.

import { once } from "node:events";
import { OpenFiles, openFileStore } from "@pvscsi/host";
import { loadNative } from "@pvscsi/native";
import { serveVhostUser } from "@pvscsi/vhost-user";
import { VirtioBlkDevice } from "@pvscsi/virtio";
import { ProbeHub } from "@pvscsi/wire";
import { nodeScheduler } from "pvscsi";

const [path, file, queues, serial] = process.argv.slice(2);
const store = await openFileStore(file, { access: "read-write", sync: "writeback", openFiles: new OpenFiles() });
const probes = new ProbeHub();
probes.listen((name, subject) => {
  if (name === "vhost-user:broken" || name === "vhost-user:failed") console.error(name, subject);
});
const server = serveVhostUser({
  native: await loadNative(),
  path,
  probes,
  device: () => new VirtioBlkDevice({ store, scheduler: nodeScheduler(), serial, limits: { queues: Number(queues) } }),
  offersConfig: true,
  connections: 1,
});
console.log("serving");
process.stdin.resume();
await once(process.stdin, "end");
await server.close();
await store.close();
