// Knows how a process on a Xen host reaches xenstored: through the kernel's device, in xenstored's own messages.

import { type SessionTransport, XenstoreSession } from "@pvscsi/xen";
import type { HostCalls } from "./host-calls.js";

export const XENBUS_PATH = "/dev/xen/xenbus";
/** Bytes of a read. */
const READ_SIZE = 4096;

/** A session, and its end. */
export interface HostStore {
  readonly store: XenstoreSession;
  close(): void;
}

/**
 * Opens the device at `path`. Throws NoXenHost where there is none. The kernel drops the watches and transactions of a file that is
 * closed. `ended` is called when the session is over, from whichever side.
 */
export function openHostStore(calls: HostCalls, path = XENBUS_PATH, ended: () => void = () => {}): HostStore {
  const device = calls.open(path);
  const buffer = new Uint8Array(READ_SIZE);
  const transport: SessionTransport = {
    send(bytes) {
      try {
        calls.write(device, bytes);
      } catch (error) {
        session.close(`${path}: ${(error as Error).message}`);
      }
    },
    close() {
      poll.close();
      calls.close(device);
      ended();
    },
  };
  // Linux waits for the answer to a watch inside of write(2), with a lock of this file that the answer to an earlier request
  // needs to be passed on: both wait for ever then, and with them every xenbus driver of the domain (Linux 6.1).
  const session = new XenstoreSession(transport, { oneAtATime: true });
  const poll = calls.poll(device, () => {
    const length = calls.read(device, buffer);
    if (length > 0) session.receive(buffer.subarray(0, length));
  });
  return { store: session, close: () => session.close() };
}
