// Knows the two servers beside each other: Debian's tgt in user space, and `pvscsi iscsi serve`. Both have the same LUNs, listen on
// loopback, and end by their process ids.

import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ServedPortal } from "../../interop/iscsi/portal.js";
import type { SuiteContext } from "../../interop/suite.js";
import type { StoreName } from "./workloads.js";

export interface Server {
  readonly name: string;
  readonly pid: number;
  url(store: StoreName): string;
}

/** tgt's null LUN has no other size. */
const NULL_SIZE = "1TiB";
/** Milliseconds that tgtd may take until it answers. */
const PATIENCE = 10_000;
const TARGET = "iqn.2026-11.localhost:tgt";

/** `file` is a disk of its own. */
export async function startOurs(context: SuiteContext, file: string): Promise<Server> {
  const portal = await ServedPortal.start(context, [`null:${NULL_SIZE}`, file]);
  return { name: "pvscsi", pid: portal.pid, url: (store) => portal.url(store === "null" ? 0 : 1) };
}

/** LUN 0 of tgt is its controller. */
export async function startTgt(context: SuiteContext, file: string): Promise<Server> {
  const port = await freePort();
  // Tells this tgtd from others of the machine by its socket.
  const control = ["-C", `${port % 0x8000}`];
  const tgtd = context.start("tgtd", "-f", ...control, "--iscsi", `portal=127.0.0.1:${port}`);
  const admin = async (mode: string, ...words: readonly string[]) => {
    await context.succeed("tgtadm", ...control, "--lld", "iscsi", "--mode", mode, "--tid", "1", ...words);
  };
  await answers(() => admin("target", "--op", "new", "-T", TARGET));
  await admin("logicalunit", "--op", "new", "--lun", "1", "--bstype", "null", "-b", "null");
  await admin("logicalunit", "--op", "new", "--lun", "2", "--bstype", "rdwr", "-b", file);
  await admin("target", "--op", "bind", "-I", "127.0.0.1");
  const url = (store: StoreName) => `iscsi://127.0.0.1:${port}/${TARGET}/${store === "null" ? 1 : 2}`;
  return { name: "tgt", pid: tgtd.pid, url };
}

/** Asks until it works; throws the last refusal. */
async function answers(ask: () => Promise<void>): Promise<void> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(100);
    }
  }
}

/** A port that nobody listens on, of this machine. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await once(server.close(), "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
