// Tests what the contract of a domain leaves open and the in-process event channels promise exactly.

import { ProbeHub, type ProbeListener, type Runnable } from "@pvscsi/wire";
import { EVTCHN_2L_NR_CHANNELS, type Port } from "@pvscsi/xen";
import { expect } from "chai";
import fc from "fast-check";
import { type HypervisorWorld, hypervisorWorld, noStore } from "./hypervisor-world.js";

class Listener implements Runnable {
  runs = 0;
  run(): void {
    this.runs += 1;
  }
}

function bound({ front, back, settle }: HypervisorWorld) {
  const frontPort = front.events.allocateUnbound(back.id) as Port;
  const backPort = back.events.bindInterdomain(front.id, frontPort) as Port;
  const heard = { front: new Listener(), back: new Listener() };
  front.events.listen(frontPort, heard.front);
  back.events.listen(backPort, heard.back);
  settle();
  heard.back.runs = 0;
  return { frontPort, backPort, heard };
}

describe("event channels in process", () => {
  it("XSA-332: a hundred events before a delivery are one, and take one place in the scheduler's queue", () => {
    const world = hypervisorWorld();
    const { frontPort, heard } = bound(world);
    for (let i = 0; i < 100; i++) world.front.events.notify(frontPort);
    expect(world.scheduler.step()).to.equal(true);
    expect(world.scheduler.busy).to.equal(false);
    expect(heard.back.runs).to.equal(1);
  });

  it("XSA-332: a handler that sends itself new events is queued once at a time", () => {
    const world = hypervisorWorld();
    const { frontPort, backPort } = bound(world);
    let runs = 0;
    world.back.events.listen(backPort, {
      run() {
        runs += 1;
        for (let i = 0; i < 10 && runs < 50; i++) world.front.events.notify(frontPort);
      },
    });
    world.front.events.notify(frontPort);
    world.settle();
    expect(runs).to.equal(50);
  });

  it("takes the lowest free port; 4095 there are, then ENOSPC", () => {
    const { front, back } = hypervisorWorld();
    for (let port = 1; port < EVTCHN_2L_NR_CHANNELS; port++) {
      expect(front.events.allocateUnbound(back.id)).to.equal(port);
    }
    expect(front.events.allocateUnbound(back.id)).to.equal("ENOSPC");
    front.events.close(4000);
    front.events.close(7);
    expect([front.events.allocateUnbound(back.id), front.events.allocateUnbound(back.id)]).to.deep.equal([7, 4000]);
    const theirs = back.events.allocateUnbound(front.id) as Port;
    expect(front.events.bindInterdomain(back.id, theirs)).to.equal("ENOSPC");
    expect(back.events.state(theirs)).to.equal("unbound");
  });

  it("a port closed and allocated again does not hear the old one's event", () => {
    const world = hypervisorWorld();
    const { frontPort, backPort } = bound(world);
    world.front.events.notify(frontPort);
    world.back.events.close(backPort);
    const again = world.back.events.allocateUnbound(world.front.id) as Port;
    const listener = new Listener();
    world.back.events.listen(again, listener);
    world.settle();
    expect(again).to.equal(backPort);
    expect(listener.runs).to.equal(0);
  });

  it("a domain may bind to itself", () => {
    const { back, settle } = hypervisorWorld();
    const one = back.events.allocateUnbound(back.id) as Port;
    const two = back.events.bindInterdomain(back.id, one) as Port;
    const listener = new Listener();
    back.events.listen(one, listener);
    back.events.notify(two);
    settle();
    expect(listener.runs).to.equal(1);
  });

  it("XSA-340, XSA-342, XSA-343, XSA-344, XSA-358, XSA-359, XSA-496, XSA-505: any sequence of calls leaves both ends of each channel agreeing", () => {
    const call = fc.record({ what: fc.nat(7), domain: fc.nat(2), port: fc.nat(6), remote: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 80 }), (calls) => {
        const { hypervisor, settle } = hypervisorWorld();
        hypervisor.createDomain({ store: noStore });
        for (const { what, domain, port, remote } of calls) {
          const events = hypervisor.find(domain)?.events;
          if (what === 0) events?.allocateUnbound(remote);
          else if (what === 1) events?.bindInterdomain(remote, port);
          else if (what === 2) events?.close(port);
          else if (what === 3) events?.notify(port);
          else if (what === 4) events?.mask(port);
          else if (what === 5) events?.unmask(port);
          else if (what === 6) events?.listen(port, new Listener());
          else settle();
        }
        for (const { id, ports } of hypervisor.describe()) {
          for (const { port, state, remote, remotePort } of ports) {
            if (state !== "interdomain") expect(remotePort).to.equal(0);
            else {
              const peer = hypervisor
                .find(remote)
                ?.describe()
                .ports.find((each) => each.port === remotePort);
              expect(peer).to.include({ state: "interdomain", remote: id, remotePort: port });
            }
          }
        }
      }),
    );
  });

  it("fires probes for events sent and delivered, when somebody listens", () => {
    const probes = new ProbeHub();
    const world = hypervisorWorld({}, probes);
    const { frontPort } = bound(world);
    const names: string[] = [];
    const listener: ProbeListener = (name) => names.push(name);
    const stop = probes.listen(listener);
    world.front.events.notify(frontPort);
    world.settle();
    stop();
    world.front.events.notify(frontPort);
    expect(names).to.deep.equal(["event:notify", "event:deliver"]);
  });
});
