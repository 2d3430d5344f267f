// Tests two threads that share memory: a grant that ends while the other one maps it, over and over, and who may come in
// which way.

import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { nullProbes } from "@pvscsi/wire";
import { connectInProcess, type GrantReference, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { connectThread, connectXenbus, Hub, openThreadLink, serveXenbus } from "@pvscsi/xenbus";
import { expect } from "chai";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { secretOf } from "../../support/xenbus-world.js";
import { GRANTED, type MapperData, MapperWord, TAKEN_BACK } from "./mapper-main.js";

const [GRANTER, MAPPER] = [1, 2];
const PAGES = 16;
const PARTS = { scheduler: realScheduler, clock: realClock, probes: nullProbes };
/** Milliseconds after which what has not happened will not happen. */
const PATIENCE = 20_000;

function newHub(sharedMemory: boolean): Hub {
  return new Hub({ ...PARTS, xenstored: new Xenstored(PARTS), sharedMemory });
}

function localDomain({ hypervisor, xenstored }: Hub, id: number): InProcessDomain {
  const store = connectInProcess(xenstored, { domain: id, privileged: true }, realScheduler);
  return hypervisor.createDomain({ id, memoryPages: PAGES, store, disconnect: async () => store.close() });
}

/** Starts the thread that maps, and waits until it has joined. */
async function startMapper(hub: Hub, references: number): Promise<{ worker: Worker; words: Int32Array }> {
  hub.admit({ id: MAPPER, secret: secretOf(MAPPER), memoryPages: PAGES });
  const link = openThreadLink(hub);
  const words = new Int32Array(new SharedArrayBuffer(64));
  const workerData: MapperData = {
    ...{ link, words, references },
    ...{ secret: secretOf(MAPPER), domain: MAPPER, from: GRANTER },
  };
  const script = new URL("mapper-main.js", import.meta.url);
  const worker = new Worker(script, { workerData, transferList: [link.port] });
  await once(worker, "message");
  return { worker, words };
}

describe("xenbus: threads that share memory", function () {
  this.timeout(60_000);

  it("XSA-396: never show a page that was taken back, nor take back one that is mapped", async () => {
    const hub = newHub(true);
    const granter = localDomain(hub, GRANTER);
    const pages = granter.allocatePages(4);
    const { worker, words } = await startMapper(hub, pages.length);
    const references: (GrantReference | undefined)[] = [];
    let refused = 0;
    for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
      for (const [index, page] of pages.entries()) {
        const reference = references[index];
        if (reference !== undefined && !granter.grants.revoke(reference)) {
          refused += 1;
          continue;
        }
        page.bytes.fill(TAKEN_BACK);
        page.bytes.fill(GRANTED);
        references[index] = granter.grants.grant(MAPPER, page, "read-only");
      }
      if (refused > 1000 && Atomics.load(words, MapperWord.mapped) > 20_000) break;
    }
    Atomics.store(words, MapperWord.stop, 1);
    await once(worker, "exit");
    expect(Atomics.load(words, MapperWord.mapped)).to.be.above(20_000);
    expect(Atomics.load(words, MapperWord.wrong)).to.equal(0);
    expect(refused).to.be.above(1000);
    for (const reference of references) expect(granter.grants.revoke(reference as number)).to.equal(true);
    await granter.close();
    expect(hub.hypervisor.domains()).to.deep.equal([]);
  });

  it("free what a thread had mapped that was ended while it maps", async () => {
    const hub = newHub(true);
    const granter = localDomain(hub, GRANTER);
    const pages = granter.allocatePages(4);
    for (let round = 0; round < 5; round++) {
      const references = pages.map((page) =>
        granter.grants.grant(MAPPER, page.bytes.fill(GRANTED) && page, "read-only"),
      );
      const { worker, words } = await startMapper(hub, pages.length);
      while (Atomics.load(words, MapperWord.mapped) < 1000);
      await worker.terminate();
      for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
        if (hub.admitted(MAPPER) === undefined) break;
        await setImmediate();
      }
      expect(references.map((reference) => granter.grants.revoke(reference))).to.deep.equal([true, true, true, true]);
    }
    await granter.close();
  });

  it("refuse a wrong secret, a domain that there is not, and one that has come already", async () => {
    const hub = newHub(true);
    hub.admit({ id: MAPPER, secret: secretOf(MAPPER), memoryPages: PAGES });
    const join = (domain: number, secret: Uint8Array) =>
      connectThread({ ...PARTS, link: openThreadLink(hub), domain, secret }).catch((error: Error) => error.message);
    expect(await join(MAPPER, secretOf(GRANTER))).to.equal("no such domain, or a wrong secret");
    expect(await join(7, secretOf(7))).to.equal("no such domain, or a wrong secret");
    const joined = await join(MAPPER, secretOf(MAPPER));
    expect(await join(MAPPER, secretOf(MAPPER))).to.equal("domain 2 is connected already");
    if (typeof joined === "string") throw new Error(joined);
    hub.expel(MAPPER, "it is over");
    expect(await joined.ended).to.equal("it is over");
  });

  it("share no memory with a domain that comes over a socket, nor with a hub that shares none", async () => {
    const hub = newHub(true);
    const server = await serveXenbus({ hub, clock: realClock, listen: { port: 0 } });
    hub.admit({ id: MAPPER, secret: secretOf(MAPPER), memoryPages: PAGES });
    const overSocket = connectXenbus({
      ...{ ...PARTS, url: server.url },
      ...{ domain: MAPPER, secret: secretOf(MAPPER) },
    });
    expect(await overSocket.catch((error: Error) => error.message)).to.equal(
      "domain 2 runs in a thread of the hub's process",
    );
    await server.close();
    const other = newHub(false);
    other.admit({ id: MAPPER, secret: secretOf(MAPPER), memoryPages: PAGES });
    const inThread = connectThread({ ...PARTS, link: openThreadLink(other), domain: MAPPER, secret: secretOf(MAPPER) });
    expect(await inThread.catch((error: Error) => error.message)).to.equal(
      "domain 2 does not run in a thread of the hub's process",
    );
  });
});
