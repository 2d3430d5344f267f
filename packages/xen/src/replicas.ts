// Knows what a hypervisor tells of its domains to whoever keeps copies of them in other processes. Knows no copy.

import type { Places } from "@pvscsi/wire";
import type { DomainId, EventChannelState, GrantReference, Port } from "./domain.js";
import type { GrantTable } from "./grant-table.js";
import type { HostedDomain } from "./hosted-domain.js";

/** A port as others than its owner see it. */
export interface PortEnd {
  readonly owner: DomainId;
  readonly port: Port;
  readonly state: EventChannelState;
  /** Who is at the other end, or who may bind to it. */
  readonly remote: DomainId;
  readonly peer: PortEnd | null;
  /** Which of the ports that had this number, one after the other, it is. */
  readonly serial: number;
}

/** Told of ports, whoever they belong to. */
export interface PortObserver {
  /** The port is new; `port.remote` may bind to it. */
  opened(port: PortEnd): void;
  /** What the port was bound to has closed; `port.remote` may bind to it again. */
  released(port: PortEnd): void;
  closed(port: PortEnd): void;
  /** An event was sent on the port while nothing was bound to it, as far as it is known here. */
  unheard(port: PortEnd): void;
  /** The port is new, and has bound itself to `port.peer`. */
  bound(port: PortEnd): void;
}

/** A domain whose grants are given out, or entered, in this process. */
export type GrantingDomain = HostedDomain<GrantTable>;

/** Told of everything that a copy of a domain has to follow, as it happens. */
export interface Replicas extends PortObserver {
  created(domain: HostedDomain): void;
  /** The domain has ended, its ports closed and its mappings with them. */
  forgotten(domain: HostedDomain): void;
  /** The domain's grant table has more entries than before. */
  grew(domain: GrantingDomain): void;
  granted(domain: GrantingDomain, reference: GrantReference): void;
  revoked(domain: GrantingDomain, reference: GrantReference): void;
  /** The reading or writing bit of an entry of `domain` has changed. */
  used(domain: HostedDomain, reference: GrantReference): void;
  /** `writer` shows the first `length` bytes of `ranges` to whoever shares their pages. */
  published(writer: HostedDomain, ranges: Places, length: number): void;
}

/** Nobody keeps copies. */
export const noReplicas: Replicas = {
  created() {},
  forgotten() {},
  grew() {},
  granted() {},
  revoked() {},
  used() {},
  published() {},
  opened() {},
  released() {},
  closed() {},
  unheard() {},
  bound() {},
};
