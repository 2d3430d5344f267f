// The front end's half of the handshake, step by step, with nodes that say nonsense and resources that run out.

import { expect } from "chai";
import { ScriptedBack } from "../../support/scripted-back.js";
import { Stand, TestCommand } from "./stand.js";

describe("scsifront: states", () => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make();
  });

  /** A device that has a front end's half only. */
  const writeFront = (device: number, nodes: { readonly [name: string]: string }): Promise<void> => {
    const path = `/local/domain/1/device/vscsi/${device}`;
    const values = Object.entries({ ...nodes, state: "1" }).map(([name, value]) => [`${path}/${name}`, value]);
    return stand.world.write(Object.fromEntries(values));
  };

  it("connect as in the table of the ABI, without waiting for InitWait", async () => {
    const back = new ScriptedBack(stand.world, stand.dom0, await stand.nodes());
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("1 3 1-");
    expect(stand.adapters).to.have.length(1);
    await back.connect(1);
    expect(await back.nodes.states()).to.equal("4 4 34");
    expect(stand.events).to.deep.equal([{ kind: "device-added", address: { channel: 0, target: 0, lun: 0 } }]);
    await stand.end(back);
  });

  it("let commands flow while a device is being added", async () => {
    const back = new ScriptedBack(stand.world, stand.dom0, await stand.nodes());
    const command = new TestCommand();
    stand.accepts = (event) =>
      new Promise((resolve) => {
        if (event.kind !== "device-added") return resolve(true);
        command.completed = () => resolve(command.hostByte === 0);
        stand.adapter.queue(command);
      });
    await back.connect(1);
    expect(await back.nodes.states()).to.equal("4 3 3-");
    back.answer(back.take()[0].rqid);
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("4 4 34");
    await stand.end(back);
  });

  it("attach and detach a LUN", async () => {
    const back = await stand.connected();
    await back.write({ "vscsi-devs/dev-0/state": "4" });
    const name = await back.nodes.attach("p", "0:0:3:2");
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("7 7 44 1-");
    await back.write({ [`vscsi-devs/${name}/state`]: "3", state: "8" });
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("8 4 44 34");
    await back.write({ [`vscsi-devs/${name}/state`]: "4", state: "4" });
    await back.nodes.detach(name);
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("7 7 44 56");
    await back.write({ [`vscsi-devs/${name}/state`]: "6", state: "8" });
    await stand.world.settle();
    await back.write({ state: "4" });
    expect(await back.nodes.states()).to.equal("4 4 44 66");
    const address = { channel: 0, target: 3, lun: 2 };
    expect(stand.events.slice(1)).to.deep.equal([
      { kind: "device-added", address },
      { kind: "device-removed", address },
    ]);
    await stand.end(back);
  });

  it("say 6 for a device that the operating system does not take, and go on", async () => {
    const back = new ScriptedBack(stand.world, stand.dom0, await stand.nodes(["0:0:0:0", "0:0:0:1", "0:0:0:2"]));
    stand.accepts = async (event) => {
      if (event.kind !== "device-added") return true;
      if (event.address.lun === 0) throw new Error("no memory for another device");
      return event.address.lun === 2;
    };
    await back.connect(3);
    expect(await back.nodes.states()).to.equal("4 4 36 36 34");
    expect(stand.messages.map(({ text }) => text).join("\n")).to.contain("no memory for another device");
    await stand.end(back);
  });

  it("pass over what has no readable v-dev, and refuse what is above the limits", async () => {
    const virtual = ["0:0:0", "abc", "0:0:0:65536x", "0:1:0:0", "0:0:64:0", "0:0:0:255", "9:0:63:254"];
    const back = new ScriptedBack(stand.world, stand.dom0, await stand.nodes(virtual));
    await back.connect(virtual.length);
    expect(await back.nodes.states()).to.equal("4 4 3- 3- 3- 36 36 36 34");
    await stand.end(back);
  });

  for (const text of ["", "abc", "0", "1", "2", "3", "9", "-4"]) {
    it(`wait where the back end's state is "${text}"`, async () => {
      const back = await stand.connected();
      await back.write({ state: text });
      await stand.world.settle();
      expect(await stand.world.read(`${back.nodes.front}/state`)).to.equal("4");
      await stand.end(back);
    });
  }

  it("wait for a back end that is gone, and so do its commands", async () => {
    const back = await stand.connected();
    const command = new TestCommand();
    await stand.queue(command);
    await stand.world.done(stand.world.tool.remove(back.nodes.back));
    await stand.world.advance(100);
    expect([command.completions, stand.adapter.state]).to.deep.equal([0, 4]);
    await stand.world.done(stand.world.tool.remove(back.nodes.front));
    back.unmap();
    await stand.world.advance(100);
    expect(stand.guest.describe()).to.deep.include({ ports: [], pages: 0, grants: 0 });
    expect([command.completions, command.hostByte]).to.deep.equal([1, 1]);
  });

  it("close for Closed when Closing was missed, and tell it once", async () => {
    const back = await stand.connected();
    back.unmap();
    await back.write({ state: "6" });
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("6 6 34");
    await stand.world.done(stand.adapter.close());
    expect(stand.events.filter(({ kind }) => kind === "closed")).to.have.length(1);
    await stand.end(back);
  });

  it("let the operating system work with its devices until it has heard of the end", async () => {
    const back = await stand.connected();
    const flush = new TestCommand([0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    stand.accepts = (event) =>
      new Promise((resolve) => {
        if (event.kind !== "closed") return resolve(true);
        flush.completed = () => resolve(true);
        stand.adapter.queue(flush);
      });
    await back.write({ state: "5" });
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("5 4 34");
    back.answer(back.take()[0].rqid);
    await stand.world.settle();
    expect(flush.hostByte).to.equal(0);
    expect(await back.nodes.states()).to.equal("5 6 34");
    await stand.end(back);
  });

  it("write nothing after Closed, whatever was under way", async () => {
    const back = new ScriptedBack(stand.world, stand.dom0, await stand.nodes());
    let answer: (taken: boolean) => void = () => {};
    stand.accepts = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    await back.connect(1);
    back.unmap();
    const closing = stand.adapter.close();
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("4 6 3-");
    answer(true);
    await stand.world.done(closing);
    await back.write({ state: "4" });
    await stand.world.settle();
    expect(await back.nodes.states()).to.equal("4 6 3-");
    await stand.end(back);
  });

  for (const seed of [1, 2, 3]) {
    it(`close at any moment of connecting (seed ${seed})`, async () => {
      for (let steps = 0; steps < 90; steps += 3) {
        const one = await Stand.make({ seed });
        const back = new ScriptedBack(one.world, one.dom0, await one.nodes());
        const { store } = one.dom0;
        const lun = store.write(`${back.nodes.back}/vscsi-devs/dev-0/state`, "3");
        const state = store.write(`${back.nodes.back}/state`, "4");
        for (let left = steps; left > 0 && one.world.simulation.busy; left--) {
          one.world.simulation.step();
          await Promise.resolve();
        }
        await one.world.done(one.adapter.close());
        await one.world.done(Promise.all([lun, state]));
        expect(await one.world.read(`${back.nodes.front}/state`)).to.equal("6");
        await one.end(back);
      }
    }).timeout(20_000);
  }

  it("fail with a reason when the back end's path is not its domain's", async () => {
    await writeFront(4, { backend: "/local/domain/3/backend/vscsi/1/4", "backend-id": "0" });
    await stand.world.settle();
    expect(await stand.reason(4)).to.equal('22 backend "/local/domain/3/backend/vscsi/1/4" is not below domain 0');
    expect(await stand.world.read("/local/domain/1/device/vscsi/4/state")).to.equal("5");
  });

  it("fail with a reason when no event channel, grant or page is left, and close in order", async () => {
    const ports: number[] = [];
    for (let port = stand.guest.events.allocateUnbound(0); typeof port === "number"; ) {
      ports.push(port);
      port = stand.guest.events.allocateUnbound(0);
    }
    const before = stand.world.describe();
    const nodes = await stand.nodes();
    await stand.world.settle();
    expect(await stand.reason()).to.equal("12 no event channel for a ring: ENOSPC");
    expect(await nodes.states()).to.equal("1 5 1-");
    expect(stand.adapters).to.have.length(0);
    await nodes.unplug();
    await stand.world.settle();
    expect(await nodes.states()).to.equal("5 6 1-");
    await nodes.remove();
    await stand.world.settle();
    expect(stand.world.describe()).to.deep.equal(before);
    for (const port of ports) stand.guest.events.close(port);

    const [page] = stand.guest.allocatePages(1);
    for (let reference = 0; reference >= 0; ) reference = stand.guest.grant(0, page, "read-only");
    const again = await stand.nodes();
    await stand.world.settle();
    expect(await stand.reason()).to.equal("12 no grant for a ring");
    expect(stand.guest.describe()).to.deep.include({ ports: [], pages: 1 });
    await again.remove();

    stand.guest.allocatePages(599);
    const third = await stand.nodes();
    await stand.world.settle();
    expect(await stand.reason()).to.equal("12 no page for a ring");
    expect(stand.guest.describe()).to.deep.include({ ports: [] });
    await third.remove();
  });

  it("take other devices when one fails, and devices that come later", async () => {
    await writeFront(3, { backend: "/local/domain/0/backend/vscsi/1/3", "backend-id": "abc" });
    const back = await stand.connected();
    expect(await back.nodes.states()).to.equal("4 4 34");
    await stand.end(back);
  });
});
