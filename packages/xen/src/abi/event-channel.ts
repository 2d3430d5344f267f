// Knows xen/event_channel.h: operations on ports, their arguments, and how many ports there are.

import { bytes, pad, struct, u16, u32 } from "@pvscsi/wire";

/** EVTCHNOP_*. */
export const EventOperation = {
  bindInterdomain: 0,
  bindVirq: 1,
  bindPirq: 2,
  close: 3,
  send: 4,
  status: 5,
  allocUnbound: 6,
  bindIpi: 7,
  bindVcpu: 8,
  unmask: 9,
  reset: 10,
  initControl: 11,
  expandArray: 12,
  setPriority: 13,
} as const;

/** EVTCHNSTAT_*. */
export const EventStatus = { closed: 0, unbound: 1, interdomain: 2, pirq: 3, virq: 4, ipi: 5 } as const;

/** Ports of a domain with the two-level ABI, port 0 (never valid) included. */
export const EVTCHN_2L_NR_CHANNELS = 4096;
export const EVTCHN_FIFO_NR_CHANNELS = 131072;

export const EvtchnAllocUnbound = struct("evtchn_alloc_unbound", 8, {
  dom: u16(0),
  remoteDom: u16(2),
  port: u32(4), // out
});

export const EvtchnBindInterdomain = struct("evtchn_bind_interdomain", 12, {
  remoteDom: u16(0),
  gap: pad(2, 2),
  remotePort: u32(4),
  localPort: u32(8), // out
});

export const EvtchnSend = struct("evtchn_send", 4, { port: u32(0) });
export const EvtchnClose = struct("evtchn_close", 4, { port: u32(0) });
export const EvtchnUnmask = struct("evtchn_unmask", 4, { port: u32(0) });

export const EvtchnStatus = struct("evtchn_status", 24, {
  dom: u16(0),
  gap: pad(2, 2),
  port: u32(4),
  status: u32(8), // out, one of EventStatus
  vcpu: u32(12), // out
  u: bytes(16, 8), // out: what the port is bound to
});
