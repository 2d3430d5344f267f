// Knows how a hypervisor misbehaves on purpose: decorators of a domain that fail maps, drop events and invent them.
// Each changes one thing and passes everything else on.

import type { Random, Runnable, Scheduler } from "@pvscsi/wire";
import type { Domain, EventChannels, Grants, Loan, Port } from "./domain.js";

/** A domain that is another one but for what is replaced. */
function replace(
  domain: Domain,
  replaced: Partial<Pick<Domain, "grants" | "events" | "borrow" | "giveBack" | "publish">>,
): Domain {
  return {
    id: domain.id,
    grants: domain.grants,
    events: domain.events,
    store: domain.store,
    allocatePages: (count, peer) => domain.allocatePages(count, peer),
    freePages: (pages) => domain.freePages(pages),
    borrow: (loan) => domain.borrow(loan),
    giveBack: (loan, written) => domain.giveBack(loan, written),
    publish: (port, ranges, wanted) => domain.publish(port, ranges, wanted),
    close: () => domain.close(),
    ...replaced,
  };
}

/** Says with which status a map fails: counted from 1 over all maps and borrowed pieces. 0 lets it pass. */
export type MapFault = (count: number) => number;

/** The map with this number fails with `status`, all others pass. */
export function mapNumber(number: number, status: number): MapFault {
  return (count) => (count === number ? status : 0);
}

/** Maps fail, or single pieces of loans do, as `fault` says. */
export function failingMaps(domain: Domain, fault: MapFault): Domain {
  let count = 0;
  const { grants } = domain;
  const failing: Grants = {
    grant: (to, page, access) => grants.grant(to, page, access),
    revoke: (reference) => grants.revoke(reference),
    map: (from, reference, access) => fault(++count) || grants.map(from, reference, access),
    unmap: (page) => grants.unmap(page),
  };
  const borrow = (loan: Loan) => {
    let status = 0;
    for (let i = 0; i < loan.count && status === 0; i++) status = fault(++count);
    if (status === 0) return domain.borrow(loan);
    loan.places.clear();
    loan.status = status;
  };
  return replace(domain, { grants: failing, borrow });
}

function replaceEvents(domain: Domain, notify: (port: Port) => ReturnType<EventChannels["notify"]>): Domain {
  const { events } = domain;
  const replaced: EventChannels = {
    allocateUnbound: (remote) => events.allocateUnbound(remote),
    bindInterdomain: (remote, remotePort) => events.bindInterdomain(remote, remotePort),
    close: (port) => events.close(port),
    notify,
    mask: (port) => events.mask(port),
    unmask: (port) => events.unmask(port),
    listen: (port, handler) => events.listen(port, handler),
    state: (port) => events.state(port),
  };
  return replace(domain, {
    events: replaced,
    publish(port, ranges, wanted) {
      domain.publish(port, ranges, false);
      if (wanted && port !== 0) notify(port);
    },
  });
}

/** Some events this domain sends are lost; the sender is told nothing. */
export function droppingEvents(domain: Domain, random: Random, probability: number): Domain {
  return replaceEvents(domain, (port) => (random.chance(probability) ? null : domain.events.notify(port)));
}

/** After each event this domain sends, `storm` more follow, one a run from the scheduler, with no work behind. */
export function spuriousEvents(domain: Domain, scheduler: Scheduler, storm: number): Domain {
  return replaceEvents(domain, (port) => {
    let left = storm;
    const next: Runnable = {
      run() {
        if (left-- > 0 && domain.events.notify(port) === null) scheduler.soon(next);
      },
    };
    scheduler.soon(next);
    return domain.events.notify(port);
  });
}
