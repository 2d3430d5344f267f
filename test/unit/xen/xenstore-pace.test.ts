// How fast guests may change the store while transactions are open, which requests hold up whoever sent them, and for how
// long events wait. In simulated time: what is ready takes none.

import { expect } from "chai";
import { type RawPeer, World } from "./xenstore-support.js";

/** Domains 0 and 5, and a transaction of the tools that stays open. */
function contested(): { world: World; tools: RawPeer; guest: RawPeer } {
  const world = new World();
  const guest = world.introduce(5);
  guest.ask("WRITE", "x|");
  const tools = world.tools();
  tools.begin();
  return { world, tools, guest };
}

/** Milliseconds until `count` more writes of one node are done. */
function timeOf(world: World, guest: RawPeer, count: number): number {
  const before = world.simulation.now();
  for (let i = 0; i < count; i++) guest.send("WRITE", `x|${i}`);
  expect(guest.taken()).to.deep.equal(Array.from({ length: count }, () => "WRITE OK|"));
  return world.simulation.now() - before;
}

function pass(world: World, milliseconds: number): void {
  world.simulation.after(milliseconds, { run: () => {} });
  world.settle();
}

describe("xenstore's write rate", () => {
  it("is not limited while no transaction is open", () => {
    const world = new World();
    const guest = world.introduce(5);
    guest.ask("WRITE", "x|");
    expect(timeOf(world, guest, 2000)).to.equal(0);
  });

  it("is a burst of 10, then 200 a second shared by all domains, as long as the reserve has nothing", () => {
    const { world, guest } = contested();
    expect(timeOf(world, guest, 11)).to.equal(0);
    expect(timeOf(world, guest, 1)).to.equal(10);
    expect(timeOf(world, guest, 9)).to.equal(90);
  });

  it("is all of the 200 a second when no other domain writes, once the newcomers' bursts are saved up again", () => {
    const { world, guest } = contested();
    timeOf(world, guest, 11 + 20);
    expect(timeOf(world, guest, 200)).to.be.within(990, 1010);
  });

  it("lets 1000 more through that were saved up, and no more", () => {
    const { world, guest } = contested();
    pass(world, 60_000);
    expect(timeOf(world, guest, 1011)).to.equal(0);
    expect(timeOf(world, guest, 1)).to.be.above(0);
  });

  it("lends 5 new domains their burst, dom0 being the first; the next has to wait", () => {
    const { world, tools } = contested();
    const others = [6, 7, 8].map((id) => world.introduce(id));
    const last = world.introduce(9);
    for (const id of [6, 7, 8, 9]) {
      tools.ask("WRITE", `/local/domain/${id}/x|`);
      tools.ask("SET_PERMS", `/local/domain/${id}/x|n${id}|`);
    }
    expect(timeOf(world, others[2], 11)).to.equal(0);
    expect(timeOf(world, last, 1)).to.equal(0);
    expect(timeOf(world, last, 1)).to.equal(30);
  });

  it("holds up whatever a domain without credit asks, on all of its connections, and nobody else", () => {
    const { world, tools, guest } = contested();
    const second = world.guest(5);
    const other = world.introduce(6);
    timeOf(world, guest, 11);
    const begin = world.simulation.now();
    for (const peer of [second, tools, other]) peer.send("READ", "/tool|");
    while (world.simulation.busy) world.simulation.step();
    expect([tools, other].map((peer) => peer.received)).to.deep.equal([1, 1]);
    expect(second.received).to.equal(0);
    expect(second.taken()).to.deep.equal(["ERROR EACCES|"]);
    expect(world.simulation.now() - begin).to.equal(15);
  });

  it("does not concern the tools", () => {
    const { world, tools } = contested();
    for (let i = 0; i < 1000; i++) tools.send("WRITE", `/y|${i}`);
    expect(tools.taken().length).to.equal(1000);
    expect(world.simulation.now()).to.equal(0);
  });

  it("counts a commit as one write if another transaction is open, and not if it fails", () => {
    const { world, tools, guest } = contested();
    const commit = (answer: string): void => {
      const id = guest.begin();
      for (const name of ["a", "b", "c", "d"]) guest.ask("WRITE", `${name}|`, id);
      if (answer !== "OK") tools.ask("WRITE", "/local/domain/5/a|");
      expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal(answer);
    };
    for (let i = 0; i < 11; i++) commit("EAGAIN");
    for (let i = 0; i < 11; i++) commit("OK");
    expect(world.simulation.now()).to.equal(0);
    commit("OK");
    expect(world.simulation.now()).to.equal(10);
  });

  it("does not count a domain's commit when no other transaction is open, but its writes beside one of its own", () => {
    const world = new World();
    const guest = world.introduce(5);
    for (let i = 0; i < 50; i++) {
      const id = guest.begin();
      guest.ask("WRITE", "x|", id);
      expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal("OK");
    }
    expect(world.simulation.now()).to.equal(0);
    guest.begin();
    expect(timeOf(world, guest, 12)).to.equal(10);
  });

  it("counts each node that is changed: made ones and their parent", () => {
    const { world, guest } = contested();
    expect(guest.answer("WRITE", "a/b/c/d/e/f/g/h/i/j|")).to.equal("OK");
    expect(world.simulation.now()).to.equal(0);
    expect(timeOf(world, guest, 1)).to.equal(10);
  });

  it("counts a removed tree twice a node, as each parent's list is changed too", () => {
    const { world, tools, guest } = contested();
    for (const name of ["a", "a/b", "a/c", "a/c/d", "a/e"]) tools.ask("WRITE", `/local/domain/5/x/${name}|`);
    tools.ask("SET_PERMS", "/local/domain/5/x/a|n5|");
    expect(guest.answer("RM", "x/a|")).to.equal("OK");
    expect(timeOf(world, guest, 1)).to.equal(0);
    expect(timeOf(world, guest, 1)).to.equal(10);
  });

  it("goes on with what domains that are gone had saved up", () => {
    const { world, tools, guest } = contested();
    for (const id of [6, 7]) world.introduce(id);
    for (const id of [6, 7]) tools.ask("RELEASE", `${id}|`);
    timeOf(world, guest, 11 + 20);
    expect(timeOf(world, guest, 200)).to.be.within(990, 1010);
  });
});

describe("xenstore's outstanding requests", () => {
  /** Writes 30 nodes that a slow connection watches; gives how many were answered. */
  function written(world: World, writer: RawPeer): number {
    for (let i = 0; i < 30; i++) writer.send("WRITE", `/local/domain/5/${i}|`);
    while (world.simulation.busy) world.simulation.step();
    return writer.received;
  }

  function watched(watcher: (world: World) => RawPeer): { world: World; slow: RawPeer; guest: RawPeer } {
    const world = new World();
    const guest = world.introduce(5);
    const slow = watcher(world);
    slow.ask("WATCH", "/local/domain/5|t|");
    slow.takes = false;
    return { world, slow, guest };
  }

  it("are those whose events nobody has read: beyond 20 a guest's connections are not read from", () => {
    const { world, slow, guest } = watched((own) => own.tools());
    const second = world.guest(5);
    expect(written(world, guest)).to.equal(21);
    second.send("READ", "0|");
    while (world.simulation.busy) world.simulation.step();
    expect(second.received).to.equal(0);
    slow.takes = true;
    slow.connection.drained();
    expect(guest.taken().length).to.equal(30);
    expect(second.taken()).to.deep.equal(["READ "]);
    expect(slow.taken().length).to.equal(30);
  });

  it("end with the connection that does not read", () => {
    const { world, slow, guest } = watched((own) => own.tools());
    expect(written(world, guest)).to.equal(21);
    slow.connection.close();
    expect(guest.taken().length).to.equal(30);
  });

  it("are not those of the tools", () => {
    const { world } = watched((own) => own.tools());
    expect(written(world, world.tools())).to.equal(30);
  });

  it("end for events that a guest does not read in 20 seconds: it never gets them, and its replies are kept", () => {
    const { world, slow, guest } = watched((own) => own.guest(5));
    const writer = world.introduce(6);
    world.tools().ask("SET_PERMS", "/local/domain/5|n5|b6|");
    slow.taken();
    guest.connection.close();
    slow.send("READ", "/local/domain/5|");
    world.simulation.after(15_000, { run: () => writer.send("WRITE", "/local/domain/5/late|") });
    expect(written(world, writer)).to.equal(20);
    while (world.simulation.now() < 20_000) world.simulation.step();
    while (world.simulation.busy) world.simulation.step();
    expect(writer.received).to.equal(31);
    slow.takes = true;
    slow.connection.drained();
    expect(slow.taken()).to.include("READ ").and.include("WATCH_EVENT /local/domain/5/late|t|");
  });

  it("an event of domains is told as often as it happens, though the same one waits", () => {
    const world = new World();
    const tools = world.tools();
    const slow = world.tools();
    slow.ask("WATCH", "@introduceDomain|t|");
    slow.takes = false;
    for (const id of [5, 6, 7]) tools.ask("INTRODUCE", `${id}|1|1|`);
    expect(slow.taken().length).to.equal(1);
    slow.takes = true;
    slow.connection.drained();
    expect(slow.taken()).to.deep.equal(["WATCH_EVENT @introduceDomain|t|", "WATCH_EVENT @introduceDomain|t|"]);
  });
});
