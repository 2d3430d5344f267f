// A guest whose virtio-scsi device is in another thread, which shares its memory: what passes between them is a number a
// notification.

import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { Guest, runGuestCommand } from "@pvscsi/guest";
import { MemoryStore } from "@pvscsi/scsi";
import {
  Arena,
  DeviceUnusable,
  PAGE_SIZE,
  PortServer,
  PortTransport,
  TargetTable,
  VirtioBlkAdapter,
  VirtioBlkDevice,
  VirtioScsiAdapter,
  VirtioScsiDevice,
} from "@pvscsi/virtio";
import { expect } from "chai";
import { filesIn, messageEnd, nodeClock, nodeScheduler } from "pvscsi";
import { temporaryFolder } from "../../support/temporary-folder.js";
import type { VirtioThreadOrder } from "./virtio-thread-main.js";

const SCRIPT = new URL("virtio-thread-main.js", import.meta.url);
const MEMORY = 4096 * PAGE_SIZE;

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await new Promise(setImmediate)) {
    if (holds()) return;
  }
  expect.fail(`it does not come to this: ${what}`);
}

describe("a virtio-scsi device in another thread", () => {
  const folder = temporaryFolder();
  let worker: Worker;
  let transport: PortTransport;
  let adapter: VirtioScsiAdapter;
  let guest: Guest;

  beforeEach(async () => {
    const { port1, port2 } = new MessageChannel();
    const buffer = new SharedArrayBuffer(MEMORY);
    worker = new Worker(SCRIPT, { workerData: { port: port2, buffer }, transferList: [port2] });
    transport = new PortTransport({ end: messageEnd(port1), buffer });
    adapter = await VirtioScsiAdapter.probe({ transport, scheduler: nodeScheduler() });
    guest = new Guest({ clock: nodeClock, scheduler: nodeScheduler(), name: "domU" });
    guest.attach(adapter);
    await until("the disk is there", () => guest.disk("sda")?.parameters !== undefined);
  });
  afterEach(async () => {
    transport.close();
    if (worker.threadId !== -1) await worker.terminate();
  });

  const order = (message: VirtioThreadOrder): void => worker.postMessage(message);
  const run = (...words: string[]) => runGuestCommand(guest, words, filesIn("/"));

  it("has a disk that keeps what the guest writes", async () => {
    folder.write({ out: "thread ".repeat(50_000) });
    const copies = [
      await run("dd", `if=${folder.path("out")}`, "of=/dev/sda", "bs=64k", "count=5", "conv=fsync"),
      await run("dd", "if=/dev/sda", `of=${folder.path("in")}`, "bs=64k", "count=5"),
    ];
    expect(copies.map(({ status, output }) => (status === 0 ? "" : output))).to.deep.equal(["", ""]);
    const sums = await Promise.all(["out", "in"].map((name) => run("sha256sum", folder.path(name), "0", "327680")));
    expect(sums[0].output.slice(0, 64)).to.equal(sums[1].output.slice(0, 64));
  });

  it("has disks that come and go while the guest looks", async () => {
    for (let lun = 0; lun < 20; lun++) order({ change: "add", lun });
    await until("all are there", () => guest.devices.length === 21);
    for (let lun = 0; lun < 20; lun++) order({ change: "remove", lun });
    await until("all are gone", () => guest.devices.length === 1);
  });

  it("ends with the driver's end", async () => {
    const exit = once(worker, "exit");
    const [host] = guest.hosts;
    await guest.detach(host);
    transport.close();
    expect(await exit).to.deep.equal([0]);
  });

  it("loses the guest its disks when its thread dies, and no command hangs", async () => {
    const reading = run("dd", "if=/dev/sda", `of=${folder.path("in")}`, "bs=4k", "count=256");
    await worker.terminate();
    await until("the host is gone", () => guest.hosts.length === 0);
    expect((await reading).status).to.be.oneOf([0, 1]);
    const error = await VirtioScsiAdapter.probe({ transport, scheduler: nodeScheduler() }).catch((reason) => reason);
    expect(error).to.be.instanceOf(DeviceUnusable);
  });
});

describe("a device's end of a port", () => {
  const hostile: readonly [what: string, message: unknown, reason: RegExp][] = [
    ["nothing", null, /a message that is no call/],
    ["a text", "reset", /a message that is no call/],
    ["a call that there is not", { call: "constructor", id: 1, words: [] }, /a message that is no call/],
    ["a queue that is no number", { call: "queueSize", id: 1, words: ["0"] }, /0 is no number/],
    ["a configuration of 4 GiB", { call: "readConfig", id: 1, words: [0, 2 ** 32] }, /is no number up to 4096/],
    [
      "a ring outside of memory",
      { call: "setUpQueue", id: 1, words: [0, 128, 0, 0, 0] },
      /a ring outside of memory: 0\+2048/,
    ],
    ["features that are none", { call: "acceptFeatures", id: 1, words: [1] }, /are no features/],
  ];
  for (const [what, message, reason] of hostile) {
    it(`parts from a driver that sends ${what}`, async () => {
      const { port1, port2 } = new MessageChannel();
      const device = new VirtioScsiDevice({ targets: new TargetTable(), scheduler: nodeScheduler() });
      const server = new PortServer(messageEnd(port2), new SharedArrayBuffer(64 * PAGE_SIZE), device);
      const heard: unknown[] = [];
      port1.on("message", (answer) => heard.push(answer));
      port1.postMessage(message);
      await server.ended;
      await until("it is told why", () => heard.length > 0);
      expect((heard[0] as { needsReset: string }).needsReset).to.match(reason);
      port1.close();
    });
  }

  it("tells the driver that the device has changed its configuration", async () => {
    const { port1, port2 } = new MessageChannel();
    const store = new MemoryStore(1 << 20);
    const device = new VirtioBlkDevice({ store, scheduler: nodeScheduler() });
    const buffer = new SharedArrayBuffer(MEMORY);
    const server = new PortServer(messageEnd(port2), buffer, device);
    const transport = new PortTransport({ end: messageEnd(port1), buffer });
    const guest = new Guest({ clock: nodeClock, scheduler: nodeScheduler(), name: "domU" });
    guest.attachBlock(await VirtioBlkAdapter.probe({ transport, scheduler: nodeScheduler() }));
    store.resize(2 << 20);
    await until("the guest knows", () => guest.disk("vda")?.size === 2 << 20);
    expect((await runGuestCommand(guest, ["dd", "if=/dev/vda", "of=/dev/null", "bs=1M"])).output).to.match(
      /^2\+0 records in/,
    );
    transport.close();
    await server.ended;
  });

  it("kicks no queue that is not there, and refuses rings that cannot be ones", async () => {
    const { port1, port2 } = new MessageChannel();
    const device = new VirtioScsiDevice({ targets: new TargetTable(), scheduler: nodeScheduler() });
    const buffer = new SharedArrayBuffer(64 * PAGE_SIZE);
    const server = new PortServer(messageEnd(port2), buffer, device);
    const transport = new PortTransport({ end: messageEnd(port1), buffer });
    const reasons: string[] = [];
    transport.listen({ interrupt() {}, configChanged() {}, needsReset: (reason) => void reasons.push(reason) });
    for (const queue of [0, 7, -1, 0.5, Number.NaN]) transport.notify(queue);
    const memory = new Arena(buffer);
    const [area] = memory.pages(1);
    await transport.setUpQueue(0, 16, { descriptors: area, driver: area, device: area });
    await transport.ready();
    expect(reasons.join()).to.equal("the descriptors area overlaps the driver area");
    transport.close();
    await server.ended;
  });
});
