// Knows how a process reaches a xenstored through its Unix socket, this project's or Xen's own.

import { connect } from "node:net";
import { XenstoreSession } from "@pvscsi/xen";

/**
 * A session with whoever listens at `path`; its `close` ends the connection. `ended` is called when it is over, from
 * whichever side. Rejects as `connect` does, e.g. ECONNREFUSED.
 */
export function connectStore(path: string, ended: () => void = () => {}): Promise<XenstoreSession> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const session = new XenstoreSession({
      send: (bytes) => void socket.write(bytes),
      close: () => {
        socket.destroy();
        ended();
      },
    });
    socket.once("connect", () => resolve(session));
    socket.on("data", (bytes: Buffer) => session.receive(bytes));
    socket.on("error", (error) => {
      reject(error);
      session.close(error.message);
    });
    socket.on("close", () => session.close("xenstored has ended the connection"));
  });
}
