// Knows the text form of a virtual device, vHOST:CHANNEL:TARGET:LUN, as the v-dev node has it.

/** Where a front end sees a logical unit. `host` names a controller in the configuration and is not on the ring. */
export interface VirtualDevice {
  readonly host: number;
  readonly channel: number;
  readonly target: number;
  readonly lun: number;
}

/** Reads a v-dev node; null when it is not four numbers that fit the ring's 16-bit fields. */
export function parseVirtualDevice(text: string | null): VirtualDevice | null {
  const parts = /^(\d{1,5}):(\d{1,5}):(\d{1,5}):(\d{1,5})$/.exec(text ?? "");
  if (parts === null) return null;
  const [host, channel, target, lun] = parts.slice(1).map(Number);
  if (host > 0xffff || channel > 0xffff || target > 0xffff || lun > 0xffff) return null;
  return { host, channel, target, lun };
}
