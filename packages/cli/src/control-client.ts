// Knows how a command finds its dom0 and has a verb run there.

import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { ToolstackError } from "@pvscsi/toolstack";
import { ProtocolError } from "@pvscsi/wire";
import {
  type ControlRequest,
  controlPath,
  LONGEST_ANSWER,
  parseReply,
  readLines,
  requestLine,
} from "./control-wire.js";
import type { Outcome } from "./verb.js";

/** Where a dom0 keeps its state: as told, else by the environment, else /run/pvscsi. */
export function stateFolder(told: string | undefined, environment: NodeJS.ProcessEnv): string {
  const { PVSCSI_STATE, XDG_RUNTIME_DIR } = environment;
  if (told !== undefined) return told;
  if (PVSCSI_STATE) return PVSCSI_STATE;
  return XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "pvscsi") : "/run/pvscsi";
}

/** What it is called when nobody listens at a Unix socket: there is none, its process has ended, or ends just now. */
const NOBODY = ["ENOENT", "ECONNREFUSED", "ECONNRESET"];

/** A connection, or null when nobody listens there. */
export function connectControl(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (NOBODY.includes(error.code ?? "")) resolve(null);
      else reject(error);
    });
  });
}

/**
 * Runs a verb at the dom0 of `state`; `print` gets what it prints while it runs. Throws ToolstackError when there is no
 * dom0, or it does not answer.
 */
export async function runAtDom0(
  state: string,
  request: ControlRequest,
  print: (text: string) => void,
): Promise<Outcome> {
  const socket = await connectControl(controlPath(state));
  if (socket === null) throw new ToolstackError("FAIL", `no dom0 at ${state}: start one with pvscsi dom0`);
  return runThere(socket, `the dom0 at ${state}`, request, print);
}

/** Runs a request where a socket leads; `who` is there, in words. Throws ToolstackError when that does not answer. */
export async function runThere(
  socket: Socket,
  who: string,
  request: ControlRequest,
  print: (text: string) => void,
): Promise<Outcome> {
  socket.on("error", () => {});
  try {
    socket.write(requestLine(request));
    for await (const line of readLines(socket, LONGEST_ANSWER)) {
      const reply = parseReply(line);
      if (!("piece" in reply)) return reply;
      print(reply.piece);
    }
    throw new ToolstackError("FAIL", `${who} has ended, or was not listened to for too long`);
  } catch (error) {
    if (error instanceof ProtocolError) throw new ToolstackError("FAIL", `${who}: ${error.message}`);
    throw error;
  } finally {
    socket.destroy();
  }
}
