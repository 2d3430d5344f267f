// Tests that a path leads to the xenstored behind it, whether it is a socket or a device of the kernel.

import { XenstoreError } from "@pvscsi/xen";
import { type HostCalls, NoXenHost, openStore } from "@pvscsi/xenbus";
import { expect } from "chai";
import { XenKernel } from "../../support/xen-kernel.js";
import { XenWorld } from "../../support/xen-world.js";
import { StoreStand } from "./store-stand.js";

/** A device node that every machine has; what is behind it is played. */
const DEVICE = "/dev/null";

class KernelBehind extends XenKernel {
  override open(path: string): number {
    if (path !== DEVICE) throw new Error(`${path} was opened`);
    return super.open("/dev/xen/xenbus");
  }
}

const noCalls = (): Promise<HostCalls> => Promise.reject(new Error("the kernel was asked for"));

describe("the way to a xenstored", () => {
  describe("by a socket", () => {
    const stand = new StoreStand();

    it("does without the kernel's device", async () => {
      let ends = 0;
      const session = await openStore(stand.path, noCalls, () => {
        ends += 1;
      });
      expect(await session.list("/")).to.deep.equal(["tool"]);
      session.close();
      expect(ends).to.equal(1);
    });

    it("ends where there is nothing", async () => {
      const error = await openStore(stand.folder.path("nothing"), noCalls).catch((reason) => reason);
      expect(error.code).to.equal("ENOENT");
    });
  });

  describe("by a device", () => {
    let world: XenWorld;
    let kernel: KernelBehind;

    beforeEach(async () => {
      world = new XenWorld();
      const domain = await world.createDomain(0);
      kernel = new KernelBehind({ domain, xenstored: world.xenstored, scheduler: world.simulation });
    });

    it("is that of the kernel: it reads, writes and watches there", async () => {
      let ends = 0;
      const session = await openStore(
        DEVICE,
        async () => kernel,
        () => {
          ends += 1;
        },
      );
      const heard: string[] = [];
      const unwatch = await world.done(session.watch("/a", (path) => heard.push(path)));
      await world.done(session.write("/a/b", "1"));
      expect(await world.done(world.tool.read("/a/b"))).to.equal("1");
      expect(await world.done(session.read("/a/b"))).to.equal("1");
      await world.done(unwatch());
      await world.done(world.tool.write("/a/c", "2"));
      expect(heard).to.deep.equal(["/a", "/a/b"]);
      session.close();
      session.close();
      expect(ends).to.equal(1);
      expect(kernel.openFiles).to.equal(0);
      const error = await session.read("/a/b").catch((reason) => reason);
      expect(error).to.be.instanceOf(XenstoreError);
    });

    it("is told when it cannot be opened", async () => {
      kernel.missing.add("/dev/xen/xenbus");
      const error = await openStore(DEVICE, async () => kernel).catch((reason) => reason);
      expect(error).to.be.instanceOf(NoXenHost);
    });
  });
});
