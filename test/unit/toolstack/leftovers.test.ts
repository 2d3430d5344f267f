import { Leftovers, VscsiDevices } from "@pvscsi/toolstack";
import type { XenstoreClient } from "@pvscsi/xen";
import { expect } from "chai";
import { XenWorld } from "../../support/xen-world.js";
import { devices, lun } from "./stand.js";

const GUEST = 5;
const DRIVER_DOMAIN = 2;

describe("Leftovers", () => {
  let world: XenWorld;
  let said: string[];

  beforeEach(() => {
    world = new XenWorld();
    said = [];
  });

  async function startedFor(backend: number, store: XenstoreClient): Promise<Leftovers> {
    const removed = (guest: number, devid: number) => said.push(`removed ${guest}/${devid}`);
    const failed = (error: unknown) => said.push(`${error}`);
    const leftovers = new Leftovers({ store, backend, removed, failed });
    await world.done(leftovers.start());
    return leftovers;
  }

  /** A guest with one LUN of `backend`, entered while it waits to be joined: nobody shakes hands. */
  async function guestWithLun(backend: number): Promise<void> {
    await world.done(world.tool.introduce(GUEST, 1, 1));
    await world.write({ [`/local/domain/${backend}/name`]: "back", [`/local/domain/${GUEST}/device`]: "" });
    const parts = { store: world.tool, clock: world.simulation, devices, backend };
    const vscsi = new VscsiDevices({ ...parts, awaited: (domain) => domain === GUEST });
    await world.done(vscsi.attach(GUEST, lun("0:0:0:0", "0:0:0:0")));
  }

  const back = (backend: number) => `/local/domain/${backend}/backend/vscsi/${GUEST}/0`;

  it("removes all that dom0 has of a guest that is gone, when it is released", async () => {
    const before = world.xenstored.dump();
    await world.done(world.tool.write("/local/domain/0/name", "back"));
    const clean = world.xenstored.dump();
    expect(clean).to.not.equal(before);
    await guestWithLun(0);
    await world.write({ [`${back(0)}/state`]: "4", [`/local/domain/0/error/backend/vscsi/${GUEST}/0/error`]: "5 odd" });
    const leftovers = await startedFor(0, world.tool);
    await world.settle();
    expect(await world.read(`${back(0)}/state`), "of a guest that is there").to.equal("4");
    await world.done(world.tool.remove(`/local/domain/${GUEST}`));
    await world.settle();
    expect(said).to.deep.equal([]);
    await world.done(world.tool.release(GUEST));
    await world.settle();
    expect(said).to.deep.equal([`removed ${GUEST}/0`]);
    expect(world.xenstored.dump()).to.equal(clean);
    await world.done(leftovers.close());
  });

  it("goes by where the back end's half says that the front end's is", async () => {
    const elsewhere = `/local/domain/${GUEST}/elsewhere`;
    await world.done(world.tool.introduce(GUEST, 1, 1));
    await world.write({ [elsewhere]: "", [`${back(0)}/frontend`]: elsewhere, [`${back(0)}/state`]: "4" });
    const leftovers = await startedFor(0, world.tool);
    await world.settle();
    expect(said).to.deep.equal([]);
    await world.done(world.tool.remove(elsewhere));
    await world.write({ [`${back(0)}/state`]: "6" });
    await world.settle();
    expect(said).to.deep.equal([`removed ${GUEST}/0`]);
    await world.done(leftovers.close());
  });

  it("removes what was left before it began", async () => {
    await guestWithLun(0);
    await world.write({ [`${back(0)}/state`]: "6" });
    await world.done(world.tool.remove(`/local/domain/${GUEST}`));
    const leftovers = await startedFor(0, world.tool);
    await world.settle();
    expect(said).to.deep.equal([`removed ${GUEST}/0`]);
    await world.done(leftovers.close());
  });

  it("leaves alone what is still being written, or has no number", async () => {
    await world.write({
      [`${back(0)}/state`]: "1",
      [`/local/domain/0/backend/vscsi/${GUEST}/1/frontend`]: "/local/domain/5/device/vscsi/1",
      "/local/domain/0/backend/vscsi/x/y/state": "4",
    });
    const dump = world.xenstored.dump();
    const leftovers = await startedFor(0, world.tool);
    await world.settle();
    expect(said).to.deep.equal([]);
    expect(world.xenstored.dump()).to.equal(dump);
    await world.done(leftovers.close());
  });

  it("removes a driver domain's own half, when its back end has closed", async () => {
    const { store } = await world.createDomain(DRIVER_DOMAIN);
    await guestWithLun(DRIVER_DOMAIN);
    await world.write({ [`${back(DRIVER_DOMAIN)}/state`]: "4" });
    const leftovers = await startedFor(DRIVER_DOMAIN, store);
    await world.settle();
    expect(await world.read(`${back(DRIVER_DOMAIN)}/state`)).to.equal("4");
    await world.done(world.tool.remove(`/local/domain/${GUEST}`));
    await world.done(store.write(`${back(DRIVER_DOMAIN)}/state`, "6"));
    await world.settle();
    expect(said).to.deep.equal([`removed ${GUEST}/0`]);
    expect(await world.done(world.tool.list(back(DRIVER_DOMAIN)))).to.equal(null);
    await world.done(leftovers.close());
  });

  it("does nothing any more when it is closed", async () => {
    await guestWithLun(0);
    await world.write({ [`${back(0)}/state`]: "4" });
    const leftovers = await startedFor(0, world.tool);
    await world.done(leftovers.close());
    await world.done(world.tool.remove(`/local/domain/${GUEST}`));
    await world.done(world.tool.release(GUEST));
    await world.settle();
    expect(said).to.deep.equal([]);
  });
});
