// Knows Node's message ports as ends of what two threads talk over.

import type { MessagePort } from "node:worker_threads";
import type { MessageEnd } from "@pvscsi/virtio";

/** The end of a port. */
export function messageEnd(port: MessagePort): MessageEnd {
  return {
    post: (message) => port.postMessage(message),
    listen(heard, closed) {
      port.on("message", heard);
      port.once("close", closed);
    },
    close: () => port.close(),
  };
}
