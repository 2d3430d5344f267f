// Tests what a peer that does not read costs: what waits for it is bounded, its rings are not consumed beyond that, and
// all goes on once it reads again. Whoever goes on writing to it all the same is ended, and it is not.

import { Places } from "@pvscsi/wire";
import { type InProcessDomain, PAGE_SIZE, type Page } from "@pvscsi/xen";
import { expect } from "chai";
import { RingTraffic } from "../../support/ring-traffic.js";
import { Stand } from "./stand.js";

const MEBIBYTE = 1024 * 1024;
/** Where rings are not consumed any more, and where a writer is ended. */
const CONGESTED = MEBIBYTE;
const FLOOD = 64 * MEBIBYTE;
/** Bytes of a domain's memory in xenstored, and events that take more. */
const QUOTA = 2_621_440;
const EVENTS = 20_000;
const [FRONT, BACK, OTHER] = [1, 2, 3];

/** Publishes a page that is granted to `to` so many times; settles now and then. */
async function publishOften(stand: Stand, from: InProcessDomain, to: number, times: number): Promise<void> {
  const [page] = from.allocatePages(1);
  from.grants.grant(to, page, "read-only");
  const ranges = new Places();
  ranges.add(page.bytes, 0, PAGE_SIZE);
  for (let i = 0; i < times && !from.closed; i++) {
    from.publish(0, ranges, false);
    if (i % 64 === 63) await stand.settle();
  }
  await stand.settle();
}

function unsentOf(stand: Stand, id: number): number {
  return stand.world.hub.connectionOf(id)?.messages.unsent ?? -1;
}

describe("xenbus: a domain that does not read", () => {
  for (const seed of [1, 2, 3]) {
    it(`(h) costs no more than its ring, and goes on when it reads again, order ${seed}`, async () => {
      const stand = new Stand(seed);
      const { domain: front, connection } = await stand.connect(FRONT);
      const traffic = await RingTraffic.between(front, await stand.join(BACK), stand);
      traffic.ask(100);
      await stand.settle();
      connection.holdDown(true);
      traffic.ask(1000);
      await stand.settle();
      expect(traffic.asked).to.be.below(200);
      expect(unsentOf(stand, FRONT)).to.be.within(1, 64 * 1024);
      connection.holdDown(false);
      await stand.settle();
      expect(traffic.answered).to.equal(1100);
      expect(unsentOf(stand, FRONT)).to.equal(0);
    });

    it(`(h) is not answered while more than 1 MiB waits for it, order ${seed}`, async () => {
      const stand = new Stand(seed);
      const { domain: front, connection } = await stand.connect(FRONT);
      const back = stand.world.createLocal(BACK, 64);
      const traffic = await RingTraffic.between(front, back, stand);
      connection.holdDown(true);
      await publishOften(stand, back, FRONT, 300);
      expect(unsentOf(stand, FRONT)).to.be.above(CONGESTED);
      const before = unsentOf(stand, FRONT);
      traffic.ask(100);
      await stand.settle();
      expect(traffic.taken).to.equal(0);
      expect(unsentOf(stand, FRONT)).to.equal(before);
      connection.holdDown(false);
      await stand.settle();
      expect(traffic.answered).to.equal(100);
      expect(await traffic.close(stand.settle)).to.equal(true);
    });

    it(`(h) a client whose hub does not read consumes nothing either, order ${seed}`, async () => {
      const stand = new Stand(seed);
      const { domain: back, connection } = await stand.connect(BACK);
      const traffic = await RingTraffic.between(await stand.join(FRONT), back, stand);
      connection.holdUp(true);
      await publishOften(stand, back, FRONT, 300);
      expect(connection.client.unsent).to.be.above(CONGESTED);
      traffic.ask(100);
      await stand.settle();
      expect(traffic.taken).to.equal(0);
      connection.holdUp(false);
      await stand.settle();
      expect(traffic.answered).to.equal(100);
    });
  }

  it("(h) whoever floods it is ended, and it is not", async () => {
    const stand = new Stand(7);
    const { domain: reader, connection } = await stand.connect(FRONT);
    const { domain: writer, connection: flooding } = await stand.connect(BACK);
    const other = await RingTraffic.between(await stand.join(OTHER), stand.world.createLocal(0, 64), stand);
    connection.holdDown(true);
    await publishOften(stand, writer, FRONT, FLOOD / PAGE_SIZE + 600);
    expect(await flooding.client.ended).to.match(/bytes wait for domain 1/);
    expect(unsentOf(stand, FRONT)).to.be.within(FLOOD, FLOOD + 2 * MEBIBYTE);
    other.ask(500);
    await stand.settle();
    expect(other.answered).to.equal(500);
    connection.holdDown(false);
    await stand.settle();
    expect(reader.closed).to.equal(false);
    expect(stand.world.hub.connectionOf(FRONT)).not.to.equal(null);
    expect(unsentOf(stand, FRONT)).to.equal(0);
    expect(stand.world.hub.hypervisor.leaks()).to.deep.equal([]);
  }).timeout(20_000);

  it("(h) however many events it is sent, it costs a few frames", async () => {
    const stand = new Stand(9);
    const { domain: reader, connection } = await stand.connect(FRONT);
    const sender = await stand.join(BACK);
    const port = reader.events.allocateUnbound(BACK) as number;
    await stand.settle();
    const bound = sender.events.bindInterdomain(FRONT, port) as number;
    await stand.settle();
    connection.holdDown(true);
    for (let i = 0; i < 500; i++) {
      sender.events.notify(bound);
      await stand.settle();
    }
    expect(connection.waitingDown()).to.be.within(1, 64);
    expect(unsentOf(stand, FRONT)).to.be.below(1024);
    connection.holdDown(false);
    let heard = 0;
    reader.events.listen(port, {
      run: () => {
        heard += 1;
      },
    });
    await stand.settle();
    expect(heard).to.be.above(0);
    expect([connection.waitingDown(), unsentOf(stand, FRONT)]).to.deep.equal([0, 0]);
  });

  const FLOODS: Readonly<Record<string, (domain: InProcessDomain, page: Page) => void>> = {
    "grants and their ends": ({ grants }, page) => grants.revoke(grants.grant(FRONT, page, "read-only")),
    "ports and their ends": ({ events }) => events.close(events.allocateUnbound(FRONT) as number),
  };
  for (const [what, flood] of Object.entries(FLOODS)) {
    it(`(h) whoever floods it with ${what} is ended, and it is not`, async () => {
      const stand = new Stand(10);
      const { connection } = await stand.connect(FRONT);
      const { domain: writer, connection: flooding } = await stand.connect(BACK);
      const [page] = writer.allocatePages(1);
      connection.holdDown(true);
      for (let i = 0; i < FLOOD / 16 && !flooding.hasEnded(); i++) {
        flood(writer, page);
        if (i % 10_000 === 9999) await stand.settle();
      }
      expect(await flooding.client.ended).to.match(/bytes wait for domain 1/);
      expect(unsentOf(stand, FRONT)).to.be.within(FLOOD, FLOOD + 2 * MEBIBYTE);
      connection.holdDown(false);
      await stand.settle();
      expect(unsentOf(stand, FRONT)).to.equal(0);
    }).timeout(30_000);
  }

  it("(h) watch events wait for it in xenstored, up to a guest's memory; it is not ended, and who writes is not held up", async () => {
    const stand = new Stand(8);
    const { domain: reader, connection } = await stand.connect(FRONT);
    const writer = stand.world.createLocal(0, 64);
    let heard = 0;
    await watchedBy(stand, writer, reader, () => {
      heard += 1;
    });
    connection.holdDown(true);
    let written = 0;
    for (let i = 0; i < EVENTS; i++) {
      void writer.store.write(`/shared/${i >> 7}/${i}${"x".repeat(200)}`, "").then(() => {
        written += 1;
      });
      // Time stands still: in 20 seconds xenstored would drop them.
      if (i % 100 === 99) while (stand.scheduler.busy) stand.scheduler.step();
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).to.equal(EVENTS);
    connection.holdDown(false);
    await stand.settle();
    // About 240 bytes each; what is on its way to the domain comes to its memory in xenstored.
    expect(heard * 240).to.be.within(QUOTA, QUOTA + 2 * CONGESTED);
    expect(stand.world.hub.hypervisor.find(FRONT)).not.to.equal(undefined);
    const asked = reader.store.read("/shared/0");
    await stand.settle();
    expect(await asked).to.equal("");
  }).timeout(30_000);
});

/** A node that the reader watches and the writer writes. */
async function watchedBy(
  stand: Stand,
  writer: InProcessDomain,
  reader: InProcessDomain,
  hear: () => void,
): Promise<void> {
  const made = writer.store.mkdir("/shared").then(() => writer.store.setPermissions("/shared", ["r0"]));
  await stand.settle();
  await made;
  const watched = reader.store.watch("/shared", hear);
  await stand.settle();
  await watched;
}
