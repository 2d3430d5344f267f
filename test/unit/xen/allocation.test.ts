// Tests that what runs once per command allocates nothing: loans, grants, rings and events.

import { nullProbes, Places, type Runnable } from "@pvscsi/wire";
import { BackRing, FrontRing, Hypervisor, Loan, PAGE_SIZE, type Port, VSCSIIF_ENTRY_SIZE } from "@pvscsi/xen";
import { expect } from "chai";
import { allocatedPerRecord } from "../../support/allocation.js";
import { noStore } from "./hypervisor-world.js";

/** A scheduler of one record, so that its queue is no part of what is measured. */
class OneRecord {
  #next: Runnable | null = null;

  soon(runnable: Runnable): void {
    this.#next = runnable;
  }

  run(): void {
    const next = this.#next;
    this.#next = null;
    next?.run();
  }
}

describe("the path of one command through rings, loans and events", () => {
  it("allocates nothing", function () {
    this.timeout(20_000);
    const scheduler = new OneRecord();
    const hypervisor = new Hypervisor({ scheduler, probes: nullProbes });
    const [back, front] = [0, 1].map((id) => hypervisor.createDomain({ id, store: noStore }));
    const [shared, data] = front.allocatePages(2);
    const frontRing = new FrontRing(shared.bytes, VSCSIIF_ENTRY_SIZE);
    const backRing = new BackRing(shared.bytes, VSCSIIF_ENTRY_SIZE);
    frontRing.initialise();
    const frontPort = front.events.allocateUnbound(back.id) as Port;
    const backPort = back.events.bindInterdomain(front.id, frontPort) as Port;
    const request = new Uint8Array(VSCSIIF_ENTRY_SIZE);
    const loan = new Loan();
    const ranges = new Places();
    let reference = 0;
    const answer: Runnable = {
      run() {
        if (!backRing.take(request)) return;
        loan.open(front.id, "read-write").add(reference, 0, PAGE_SIZE);
        back.borrow(loan);
        back.giveBack(loan, PAGE_SIZE);
        backRing.slot();
        backRing.finalCheck(ranges);
        back.publish(backPort, ranges, backRing.push(ranges));
      },
    };
    let responses = 0;
    const take: Runnable = {
      run() {
        if (frontRing.take() < 0) return;
        responses += 1;
        frontRing.finalCheck(ranges);
        front.grants.revoke(reference);
      },
    };
    back.events.listen(backPort, answer);
    front.events.listen(frontPort, take);
    scheduler.run();
    const bytes = allocatedPerRecord((records) => {
      for (let i = 0; i < records; i++) {
        reference = front.grants.grant(back.id, data, "read-write");
        frontRing.slot();
        ranges.clear();
        front.publish(frontPort, ranges, frontRing.push(ranges));
        scheduler.run();
        ranges.clear();
        scheduler.run();
      }
    });
    expect(responses).to.equal(1_500_000);
    expect(bytes).to.be.below(1);
  });
});
