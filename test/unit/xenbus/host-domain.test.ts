// Tests a back end's domain on a Xen host where it is not like any other: what the kernel does when a mapping ends. The rest
// is the contract of `Domain`.

import { SystemCallError } from "@pvscsi/native";
import type { InProcessDomain, MappedPage } from "@pvscsi/xen";
import type { HostDomain } from "@pvscsi/xenbus";
import { expect } from "chai";
import { openPlayedHost } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";

const FRONT = 1;

describe("A back end's domain on a Xen host", () => {
  let world: XenWorld;
  let front: InProcessDomain;
  let dom0: InProcessDomain;
  let host: HostDomain;
  let page: MappedPage;
  let port: number;
  /** Events that the front end has had. */
  let heard: number;

  beforeEach(async () => {
    world = new XenWorld();
    dom0 = await world.createDomain(0);
    front = await world.createDomain(FRONT);
    ({ host } = await openPlayedHost(world, dom0));
    const own = front.events.allocateUnbound(0) as number;
    heard = 0;
    const run = () => {
      heard += 1;
    };
    front.events.listen(own, { run });
    const reference = front.grants.grant(0, front.allocatePages(1)[0], "read-write");
    page = host.grants.map(FRONT, reference, "read-write") as MappedPage;
    port = host.events.bindInterdomain(FRONT, own) as number;
  });

  afterEach(async () => {
    for (const one of [host, front, dom0]) await one.close();
    await world.settle();
    expect(world.hypervisor.leaks()).to.deep.equal([]);
  });

  it("has the other end notified when the mapping ends, and only then", async () => {
    host.notifyAtUnmap(page, port);
    await world.settle();
    expect(heard).to.equal(0);
    host.grants.unmap(page);
    await world.settle();
    expect(heard).to.equal(1);
  });

  it("has nobody notified where nobody asked for it", async () => {
    host.grants.unmap(page);
    await world.settle();
    expect(heard).to.equal(0);
  });

  it("refuses a port that is not bound, and keeps what was mapped no more", () => {
    host.events.close(port);
    expect(() => host.notifyAtUnmap(page, port)).to.throw(SystemCallError);
    host.grants.unmap(page);
    expect(() => host.notifyAtUnmap(page, port)).not.to.throw();
  });
});
