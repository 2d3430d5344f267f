// Knows the second thread of a benchmark: serves what it is told to, and says where.

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Counts } from "@pvscsi/bench";
import { fail } from "@pvscsi/wire";
import { serveRing } from "./benchmark-sab-server.js";
import type { ThreadServer, ThreadServerName } from "./benchmark-thread.js";
import { serveVirtio } from "./benchmark-virtio.js";
import { BenchmarkBackend, threadDoor } from "./benchmark-xenbus.js";

const starter = parentPort ?? fail("the second thread of a benchmark, started as a program");

/** Begins to serve; gives what is asked for counts. */
const SERVERS: Readonly<Record<ThreadServerName, () => Promise<() => Counts>>> = {
  async xenbus() {
    const backend = await BenchmarkBackend.open(threadDoor);
    const address = await backend.address;
    say({ address }, address.link.port);
    await backend.settled;
    say({ settled: true });
    return () => backend.counts();
  },
  blocks: () => begin(serveRing()),
  "virtio-scsi": () => begin(serveVirtio("virtio-scsi")),
  "virtio-blk": () => begin(serveVirtio("virtio-blk")),
};

/** Nothing has to be connected before operations may come. */
async function begin(server: Promise<ThreadServer<{ readonly port: MessagePort }>>): Promise<() => Counts> {
  const { address, counts } = await server;
  say({ address }, address.port);
  say({ settled: true });
  return counts;
}

function say(news: unknown, ...ports: readonly MessagePort[]): void {
  starter.postMessage(news, ports);
}

try {
  const counts = await SERVERS[workerData as ThreadServerName]();
  starter.on("message", () => say({ counts: counts() }));
  // It ends when nobody can ask any more, or is ended.
  starter.unref();
} catch (error) {
  say({ failure: (error as Error).message });
}
