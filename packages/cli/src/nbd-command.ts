// Knows `guest DOM -- nbd`: one disk of a guest, handed to any NBD client until the guest ends. Knows no message of NBD.

import { type NbdServerOptions, serveNbd } from "@pvscsi/nbd";
import { ToolstackError } from "@pvscsi/toolstack";
import { pathIn } from "./node-files.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import type { RunningGuest } from "./running-guest.js";
import { diskExport } from "./serve.js";
import { UsageError } from "./verb.js";

export const NBD_USAGE = "nbd DEV --socket PATH | --listen [ADDR:]PORT";

/** Begins to serve and gives the URI that clients take. */
export async function serveDisk(running: RunningGuest, words: readonly string[], directory: string): Promise<string> {
  const [name, option, value, ...more] = words;
  if (name === undefined || value === undefined || more.length > 0) throw new UsageError(NBD_USAGE);
  const listen = listenOption(option, value, directory);
  const disk = running.guest.disk(name);
  if (disk === undefined) throw new ToolstackError("NOTFOUND", `${running.guest.name} has no disk ${name}`);
  const served = diskExport(running.guest, disk);
  const server = await serveNbd({ listen, exports: [served], clock: nodeClock, scheduler: nodeScheduler() });
  running.services.push(() => server.close());
  return server.uri;
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
