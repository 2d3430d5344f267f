// Knows how to serve the guest's disk in a process of its own, so that judge and judged share no event loop:
// `node server.js BACKING FOLDER SOCKET [FLIP_EVERY]`. Prints its URI; answers each line of input with what it holds, as JSON; ends
// when its input ends.

import { createInterface } from "node:readline";
import { serveNbd } from "@pvscsi/nbd";
import { ProbeHub } from "@pvscsi/wire";
import { nodeClock, nodeScheduler } from "pvscsi";
import { withBitFlips } from "./bit-flips.js";
import { type Backing, openGuestDisk } from "./guest-disk.js";

/** What a line of input is answered with. */
export interface ServerState {
  /** Connections that came as far as an export, since the start. */
  readonly opened: number;
  /** The most of them that were there at once. */
  readonly together: number;
  readonly sessions: number;
  readonly requests: number;
  readonly pages: number;
  /** Why connections were dropped. */
  readonly failures: readonly string[];
}

const [backing, folder, path, flipEvery] = process.argv.slice(2);
const disk = await openGuestDisk(backing as Backing, folder);
const store = flipEvery === undefined ? disk.store : withBitFlips(disk.store, Number(flipEvery));
const probes = new ProbeHub();
const failures: string[] = [];
let opened = 0;
let together = 0;
const server = await serveNbd({
  listen: { path },
  exports: [{ name: "guest", description: "a guest's disk", store, minimumBlock: 512 }],
  clock: nodeClock,
  scheduler: nodeScheduler(),
  probes,
});
probes.listen((name, subject) => {
  if (name === "nbd:failed") failures.push(String(subject));
  if (name !== "nbd:open") return;
  opened += 1;
  together = Math.max(together, server.holds().sessions);
});
console.log(server.uri);
for await (const _ of createInterface({ input: process.stdin })) {
  const state: ServerState = { opened, together, failures, ...server.holds() };
  console.log(JSON.stringify(state));
}
await server.close();
await disk.close();
