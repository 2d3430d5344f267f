// Knows how front ends come to a socket: each gets a device of its own.

import { lstatSync, rmSync } from "node:fs";
import { type Native, SystemCallError, type UnixConnection, type UnixListener } from "@pvscsi/native";
import type { VirtioDevice } from "@pvscsi/virtio";
import { nullProbes, type Probes } from "@pvscsi/wire";
import { VhostSession } from "./session.js";

export interface VhostUserOptions {
  readonly native: Native;
  readonly path: string;
  /**
   * Makes a device for one front end; it is closed when that has gone. `place` is the lowest that no other front end has: one
   * that comes again finds its own.
   */
  readonly device: (place: number) => VirtioDevice;
  readonly probes?: Probes;
  /** Whether front ends are offered the device's configuration (VHOST_USER_PROTOCOL_F_CONFIG); QEMU keeps its own. */
  readonly offersConfig?: boolean;
  /** Front ends that may be there at the same time. */
  readonly connections?: number;
}

export interface VhostUserServer {
  readonly path: string;
  /** Front ends that are there now. */
  readonly connections: number;
  /** Takes no more front ends, parts from those there are, and removes the socket. */
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 16;

/** Listens at `path`. Throws SystemCallError: EADDRINUSE where somebody listens there already. */
export function serveVhostUser(options: VhostUserOptions): VhostUserServer {
  const { native, path, device, probes = nullProbes, offersConfig = false, connections = MOST_CONNECTIONS } = options;
  const sessions = new Map<number, VhostSession>();
  const accepted = (connection: UnixConnection): void => {
    if (sessions.size >= connections) {
      probes.emit("vhost-user:broken", `more than ${connections} front ends`);
      return connection.close();
    }
    let place = 0;
    while (sessions.has(place)) place += 1;
    const ended = (): void => void sessions.delete(place);
    sessions.set(place, new VhostSession({ native, connection, device: device(place), probes, offersConfig, ended }));
  };
  const listener = listenAt(native, path, accepted);
  return {
    path,
    get connections() {
      return sessions.size;
    },
    async close() {
      listener.close();
      await Promise.all([...sessions.values()].map((session) => session.close()));
    },
  };
}

/** The socket that somebody left there that was killed is taken over; what is no socket is somebody's file. */
function listenAt(native: Native, path: string, accepted: (connection: UnixConnection) => void): UnixListener {
  // A socket is its owner's alone from its first moment on: mode 0600 by the mask it is bound under.
  const mask = process.umask(0o177);
  try {
    return native.sockets.listen(path, accepted);
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE" || !isDeserted(native, path)) throw error;
    rmSync(path);
    return native.sockets.listen(path, accepted);
  } finally {
    process.umask(mask);
  }
}

function isDeserted(native: Native, path: string): boolean {
  // Whoever connects to a file that is no socket is refused as well.
  if (!lstatSync(path).isSocket()) return false;
  try {
    native.sockets.connect(path).close();
    return false;
  } catch (error) {
    return codeOf(error) === "ECONNREFUSED";
  }
}

function codeOf(error: unknown): string {
  return error instanceof SystemCallError ? error.code : "";
}
