// Knows the second thread of a benchmark: serves what it is told to, and says where.

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { fail } from "@pvscsi/wire";
import { serveRing } from "./benchmark-sab-server.js";
import type { ThreadServerName } from "./benchmark-thread.js";
import { BenchmarkBackend, threadDoor } from "./benchmark-xenbus.js";

const starter = parentPort ?? fail("the second thread of a benchmark, started as a program");

const SERVERS: Readonly<Record<ThreadServerName, () => Promise<void>>> = {
  async xenbus() {
    const backend = await BenchmarkBackend.open(threadDoor);
    const address = await backend.address;
    say({ address }, address.link.port);
    await backend.settled;
    say({ settled: true });
  },
  async blocks() {
    const address = await serveRing();
    say({ address }, address.port);
    say({ settled: true });
  },
};

function say(news: unknown, ...ports: readonly MessagePort[]): void {
  starter.postMessage(news, ports);
}

await SERVERS[workerData as ThreadServerName]().catch((error: Error) => say({ failure: error.message }));
