// Domains behind a xenbus keep the contract of `Domain`: over a connection that a seed delays, over WebSockets, and in
// shared memory; with the back end in the hub's process, and with every domain in one of its own.

import { setImmediate } from "node:timers/promises";
import { nullProbes, Simulation, seededRandom } from "@pvscsi/wire";
import { connectInProcess, type Domain, type InProcessDomain, Xenstored } from "@pvscsi/xen";
import { connectThread, connectXenbus, Hub, type JoinedDomain, openThreadLink, serveXenbus } from "@pvscsi/xenbus";
import { expect } from "chai";
import { realClock, realScheduler } from "../support/node-platform.js";
import { secretOf, XenbusWorld } from "../support/xenbus-world.js";
import { type DomainWorld, domainContract } from "./domain.js";

const PAGES = 64;
const [BACK, FRONT, STRANGER] = [0, 1, 2];
const REAL = { scheduler: realScheduler, clock: realClock, probes: nullProbes };

for (const seed of [1, 2, 3]) {
  domainContract(`xenbus, back end in the hub, order ${seed}`, () => simulated(seed, true));
  domainContract(`xenbus, each alone, order ${seed}`, () => simulated(seed, false));
}
domainContract("xenbus over WebSockets, back end in the hub", () => overWebSockets(true));
domainContract("xenbus over WebSockets, each alone", () => overWebSockets(false));
domainContract("xenbus in shared memory, back end in the hub", () => inSharedMemory(true));
domainContract("xenbus in shared memory, each alone", () => inSharedMemory(false));

async function simulated(seed: number, local: boolean): Promise<DomainWorld> {
  const random = seededRandom(seed);
  const scheduler = new Simulation(random);
  const world = new XenbusWorld(scheduler, random);
  const settle = () => drain(scheduler);
  const join = async (id: number): Promise<InProcessDomain> => {
    if (local && id === BACK) return world.createLocal(id, PAGES);
    const { client } = world.connect(id, PAGES);
    await settle();
    return client.joined;
  };
  return theWorld(world.hub, join, settle, async () => {});
}

async function overWebSockets(local: boolean): Promise<DomainWorld> {
  const hub = realHub(false);
  const server = await serveXenbus({ hub, clock: realClock, listen: { port: 0 } });
  const connect = (domain: number) => connectXenbus({ ...REAL, url: server.url, domain, secret: secretOf(domain) });
  return realWorld(hub, local, connect, () => server.close());
}

/** As threads of one process are joined; here all of them are this thread. */
async function inSharedMemory(local: boolean): Promise<DomainWorld> {
  const hub = realHub(true);
  const connect = (domain: number) =>
    connectThread({ ...REAL, link: openThreadLink(hub), domain, secret: secretOf(domain) });
  return realWorld(hub, local, connect, async () => {});
}

function realHub(sharedMemory: boolean): Hub {
  return new Hub({ ...REAL, xenstored: new Xenstored(REAL), sharedMemory });
}

/** On Node's own loop. */
async function realWorld(
  hub: Hub,
  local: boolean,
  connect: (id: number) => Promise<JoinedDomain>,
  end: () => Promise<void>,
): Promise<DomainWorld> {
  const domains: Domain[] = [];
  const join = async (id: number): Promise<InProcessDomain> => {
    const domain = local && id === BACK ? localDomain(hub, id) : await admitted(hub, id, connect);
    domains.push(domain);
    return domain;
  };
  // A request to xenstored goes behind all that was said before, and its answer behind all that was said to us; and
  // again, as what arrives may be answered (a ring of 200 requests needs 13). A domain that has closed has no store.
  const settle = async () => {
    for (let round = 0; round < 16; round++) {
      await Promise.all(domains.map((domain) => domain.store.read("/").catch(() => null)));
      for (let turn = 0; turn < 4; turn++) await setImmediate();
    }
  };
  return theWorld(hub, join, settle, end);
}

function localDomain({ hypervisor, xenstored }: Hub, id: number): InProcessDomain {
  const store = connectInProcess(xenstored, { domain: id, privileged: true }, realScheduler);
  return hypervisor.createDomain({ id, memoryPages: PAGES, store, disconnect: async () => store.close() });
}

async function admitted(
  hub: Hub,
  id: number,
  connect: (id: number) => Promise<JoinedDomain>,
): Promise<InProcessDomain> {
  hub.admit({ id, secret: secretOf(id), memoryPages: PAGES, privileged: id === BACK });
  return (await connect(id)).domain;
}

async function theWorld(
  { hypervisor }: Hub,
  join: (id: number) => Promise<InProcessDomain>,
  settle: () => Promise<void>,
  end: () => Promise<void>,
): Promise<DomainWorld> {
  const back = await join(BACK);
  const front = await join(FRONT);
  const stranger = await join(STRANGER);
  for (const { id } of [front, stranger]) {
    const home = `/local/domain/${id}`;
    const made = back.store.mkdir(home).then(() => back.store.setPermissions(home, [`n${id}`]));
    await settle();
    await made;
  }
  await settle();
  const close = async () => {
    await settle();
    for (const domain of [front, back, stranger]) {
      const closed = domain.close();
      await settle();
      await closed;
    }
    await settle();
    const leaks = hypervisor.leaks();
    await end();
    expect(leaks).to.deep.equal([]);
    expect(hypervisor.domains()).to.deep.equal([]);
  };
  return { front, back, stranger, frontPages: PAGES, settle, close };
}

/** Runs what is ready until a whole turn of the loop adds nothing: promises continue between the steps. */
async function drain(simulation: Simulation): Promise<void> {
  do {
    while (simulation.step());
    await setImmediate();
  } while (simulation.busy);
}
