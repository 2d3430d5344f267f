// Knows Linux' uapi/xen/evtchn.h: how a process has event channels. A read gives the ports (u32 each) that had an event, and
// each hears no more until it is written back.

import { struct, u32 } from "@pvscsi/wire";

export const EVTCHN_PATH = "/dev/xen/evtchn";

/** _IOC(_IOC_NONE, 'E', number, size). What binds returns the port. */
export const EvtchnRequest = {
  bindInterdomain: 0x084501,
  bindUnboundPort: 0x044502,
  unbind: 0x044503,
  notify: 0x044504,
} as const;

export const IoctlEvtchnBindInterdomain = struct("ioctl_evtchn_bind_interdomain", 8, {
  remoteDomain: u32(0),
  remotePort: u32(4),
});

export const IoctlEvtchnBindUnboundPort = struct("ioctl_evtchn_bind_unbound_port", 4, { remoteDomain: u32(0) });
export const IoctlEvtchnUnbind = struct("ioctl_evtchn_unbind", 4, { port: u32(0) });
export const IoctlEvtchnNotify = struct("ioctl_evtchn_notify", 4, { port: u32(0) });
