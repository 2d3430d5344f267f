// Knows `guest DOM -- nbd`: disks of a guest, handed to any NBD client until the guest ends. Knows no message of NBD.

import type { Guest } from "@pvscsi/guest";
import { type NbdExportOptions, type NbdServerOptions, serveNbd } from "@pvscsi/nbd";
import { ToolstackError } from "@pvscsi/toolstack";
import { pathIn } from "./node-files.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { RunningGuest } from "./running-guest.js";
import { UsageError } from "./verb.js";

export const NBD_USAGE = "nbd DEV... --socket PATH | --listen [ADDR:]PORT";

/** Begins to serve and gives the URI that clients take. */
export async function serveDisks(running: RunningGuest, words: readonly string[], directory: string): Promise<string> {
  const names = words.slice(0, -2);
  const [option, value] = words.slice(-2);
  if (names.length === 0) throw new UsageError(NBD_USAGE);
  const listen = listenOption(option, value, directory);
  const exports = names.map((name) => diskExport(running.guest, name));
  const server = await serveNbd({ listen, exports, clock: nodeClock, scheduler: nodeScheduler() });
  running.services.push(() => server.close());
  return server.uri;
}

/** A disk under the name `domU-sda`, in sectors. */
function diskExport(guest: Guest, name: string): NbdExportOptions {
  const disk = guest.disk(name);
  if (disk === undefined) throw new ToolstackError("NOTFOUND", `${guest.name} has no disk ${name}`);
  return { name: `${guest.name}-${disk.name}`, store: guest.store(disk), minimumBlock: 512 };
}

/** Without an address only this machine is served; port 0 takes a free one. */
function listenOption(option: string, value: string, directory: string): NbdServerOptions["listen"] {
  if (option === "--socket") return { path: pathIn(directory, value) };
  const address = parseListen(value);
  if (option !== "--listen" || address === null) throw new UsageError(NBD_USAGE);
  return address;
}

/** `[ADDR:]PORT`, an IPv6 address in brackets; null for anything else. */
export function parseListen(text: string): { readonly host?: string; readonly port: number } | null {
  const address = /^(?:(\[[0-9a-f:]+\]|[^:]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(address?.[2]);
  if (address === null || port > 0xffff) return null;
  const host = address[1]?.replace(/^\[(.*)\]$/, "$1");
  return host === undefined ? { port } : { host, port };
}
