// Tests that each fault happens, when it was asked for, and that everything else passes.

import { Places, seededRandom } from "@pvscsi/wire";
import {
  type Domain,
  droppingEvents,
  failingMaps,
  GrantStatus,
  Loan,
  mapNumber,
  PAGE_SIZE,
  type Port,
  spuriousEvents,
} from "@pvscsi/xen";
import { expect } from "chai";
import { type HypervisorWorld, hypervisorWorld } from "./hypervisor-world.js";

/** Runs `send` on a wrapped front domain; returns how often the back domain's handler then ran. */
function heard(wrap: (world: HypervisorWorld) => Domain, send: (front: Domain, port: Port) => void): number {
  const world = hypervisorWorld();
  const front = wrap(world);
  const port = front.events.allocateUnbound(world.back.id) as Port;
  const backPort = world.back.events.bindInterdomain(front.id, port) as Port;
  let runs = 0;
  world.back.events.listen(backPort, { run: () => (runs += 1) });
  world.settle();
  runs = 0;
  send(front, port);
  world.settle();
  return runs;
}

describe("faults of a domain", () => {
  it("XSA-362: every status can be made the k-th map's", () => {
    for (const status of Object.values(GrantStatus).filter((each) => each < 0)) {
      const { front, back } = hypervisorWorld();
      const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-only");
      const failing = failingMaps(back, mapNumber(2, status));
      expect(failing.grants.map(front.id, reference, "read-only")).to.be.an("object");
      expect(failing.grants.map(front.id, reference, "read-only")).to.equal(status);
      expect(failing.grants.map(front.id, reference, "read-only")).to.be.an("object");
    }
  });

  it("XSA-361: the k-th piece of a loan fails, and nothing is held", () => {
    const { front, back } = hypervisorWorld();
    const references = front.allocatePages(4).map((page) => front.grants.grant(back.id, page, "read-write"));
    const failing = failingMaps(back, mapNumber(6, GrantStatus.eagain));
    const borrow = () => {
      const loan = new Loan().open(front.id, "read-write");
      for (const reference of references) loan.add(reference, 0, PAGE_SIZE);
      failing.borrow(loan);
      return loan;
    };
    const first = borrow();
    expect([first.status, first.places.count]).to.deep.equal([GrantStatus.okay, 4]);
    failing.giveBack(first, 0);
    const second = borrow();
    expect([second.status, second.places.count]).to.deep.equal([GrantStatus.eagain, 0]);
    failing.giveBack(second, 0);
    expect(front.describe().uses).to.equal(0);
    expect(borrow().status).to.equal(GrantStatus.okay);
  });

  it("events are dropped, sent by notify or by publish, and the sender hears nothing of it", () => {
    const drop = (probability: number) => (world: HypervisorWorld) =>
      droppingEvents(world.front, seededRandom(1), probability);
    const notify = (front: Domain, port: Port) => expect(front.events.notify(port)).to.equal(null);
    const publish = (front: Domain, port: Port) => front.publish(port, new Places(), true);
    expect([heard(drop(1), notify), heard(drop(1), publish)]).to.deep.equal([0, 0]);
    expect([heard(drop(0), notify), heard(drop(0), publish)]).to.deep.equal([1, 1]);
    expect(heard(drop(0), (front, port) => front.publish(port, new Places(), false))).to.equal(0);
  });

  it("XSA-332, XSA-391: events without work follow those with it", () => {
    const storm = (count: number) => (world: HypervisorWorld) => spuriousEvents(world.front, world.scheduler, count);
    const notify = (front: Domain, port: Port) => {
      front.events.notify(port);
    };
    expect(heard(storm(0), notify)).to.equal(1);
    expect(heard(storm(1000), notify)).to.be.within(100, 1001);
  });

  it("a storm ends with its port", () => {
    const runs = heard(
      (world) => spuriousEvents(world.front, world.scheduler, 1000),
      (front, port) => {
        front.events.notify(port);
        front.events.close(port);
      },
    );
    expect(runs).to.be.at.most(1);
  });
});
