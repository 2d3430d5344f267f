// Tests how domains come and go: ids, what is listed of them, and what of a closed one stays behind.

import { DomainIds, GrantStatus, Loan, type MappedPage, PAGE_SIZE } from "@pvscsi/xen";
import { expect } from "chai";
import { hypervisorWorld, noStore } from "./hypervisor-world.js";

describe("hypervisor", () => {
  it("gives the lowest free id, and refuses one that is taken or reserved", () => {
    const { hypervisor } = hypervisorWorld();
    const create = (id: number) => hypervisor.createDomain({ id, store: noStore });
    expect(hypervisor.freeDomainId).to.equal(2);
    create(3);
    expect(hypervisor.createDomain({ store: noStore }).id).to.equal(2);
    expect(hypervisor.freeDomainId).to.equal(4);
    for (const id of [3, -1, DomainIds.firstReserved, Number.NaN])
      expect(() => create(id)).to.throw("no free domain id");
  });

  it("lists ports, grants, uses and mappings", () => {
    const { hypervisor, front, back } = hypervisorWorld();
    const [page] = front.allocatePages(2);
    const reference = front.grants.grant(back.id, page, "read-write");
    const port = front.events.allocateUnbound(back.id) as number;
    const backPort = back.events.bindInterdomain(front.id, port) as number;
    const { handle } = back.grants.map(front.id, reference, "read-only") as MappedPage;
    const common = { state: "interdomain", masked: false };
    expect(hypervisor.describe()).to.deep.equal([
      {
        id: back.id,
        pages: 0,
        retainedPages: 0,
        ports: [{ ...common, port: backPort, remote: front.id, remotePort: port, pending: true }],
        grants: 0,
        uses: 0,
        mappings: [{ handle, from: front.id, reference, access: "read-only" }],
      },
      {
        id: front.id,
        pages: 2,
        retainedPages: 0,
        ports: [{ ...common, port, remote: back.id, remotePort: backPort, pending: false }],
        grants: 1,
        uses: 1,
        mappings: [],
      },
    ]);
  });

  it("counts what others forgot to unmap of a closed domain, and only that", async () => {
    const { hypervisor, front, back } = hypervisorWorld();
    const [page] = front.allocatePages(1);
    page.bytes[0] = 9;
    const reference = front.grants.grant(back.id, page, "read-write");
    const mapping = back.grants.map(front.id, reference, "read-write") as MappedPage;
    expect(hypervisor.leaks()).to.deep.equal([]);
    await front.close();
    const leak = { mapper: back.id, from: front.id, reference, handle: mapping.handle, access: "read-write" };
    expect(hypervisor.leaks()).to.deep.equal([leak]);
    expect(mapping.bytes[0]).to.equal(9);
    back.grants.unmap(mapping);
    expect(hypervisor.leaks()).to.deep.equal([]);
  });

  it("XSA-322: a new domain with a closed one's id inherits neither ports nor grants, nor its mappings", async () => {
    const { hypervisor, front, back } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const mapping = back.grants.map(front.id, reference, "read-write") as MappedPage;
    const port = front.events.allocateUnbound(back.id) as number;
    await front.close();
    const reborn = hypervisor.createDomain({ id: front.id, store: noStore });
    expect(back.grants.map(reborn.id, reference, "read-only")).to.equal(GrantStatus.generalError);
    expect(back.events.bindInterdomain(reborn.id, port)).to.equal("EINVAL");
    expect(hypervisor.leaks()).to.have.length(1);
    const own = reborn.grants.grant(back.id, reborn.allocatePages(1)[0], "read-write");
    expect(own).to.equal(reference);
    back.grants.unmap(mapping);
    expect(reborn.describe().uses).to.equal(0);
    expect(reborn.grants.revoke(own)).to.equal(true);
  });

  it("a closed domain gets nothing new", async () => {
    const { front, back } = hypervisorWorld();
    const reference = front.grants.grant(back.id, front.allocatePages(1)[0], "read-write");
    const theirs = front.events.allocateUnbound(back.id) as number;
    await back.close();
    expect(back.grants.map(front.id, reference, "read-only")).to.equal(GrantStatus.badDomain);
    const loan = new Loan().open(front.id, "read-only");
    loan.add(reference, 0, PAGE_SIZE);
    back.borrow(loan);
    expect(loan.status).to.equal(GrantStatus.badDomain);
    expect(back.events.allocateUnbound(front.id)).to.equal("ENOSPC");
    expect(back.events.bindInterdomain(front.id, theirs)).to.equal("ENOSPC");
    expect(front.describe().uses).to.equal(0);
  });

  it("ends the store's connection once, when the domain closes", async () => {
    const { hypervisor } = hypervisorWorld();
    let ended = 0;
    const domain = hypervisor.createDomain({
      store: noStore,
      disconnect: async () => {
        ended += 1;
      },
    });
    await domain.close();
    await domain.close();
    expect(ended).to.equal(1);
  });
});
