// Knows Debian's tgtd as a process of its own on this machine's loopback: one target, whose LUN 1 is a disk over a file or which has what it is told.

import { createServer } from "node:net";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";

const TARGET = "iqn.2026-11.localhost:tgt";
/** How often tgtd is asked whether it listens, and how long is waited in between, in milliseconds. */
const TRIES = 500;
const BETWEEN = 10;

/** What the disk says it is. */
export interface DiskIdentity {
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serial: string;
}

export class Tgtd {
  readonly target = TARGET;
  /** `ADDR:PORT`. */
  readonly address: string;
  readonly #child: Child;

  private constructor(child: Child, address: string) {
    this.#child = child;
    this.address = address;
  }

  /** A removable, thinly provisioned disk with blocks of 512 bytes over `file`, which is there and has its size. */
  static async start(context: SuiteContext, file: string, identity: DiskIdentity): Promise<Tgtd> {
    const params = [
      ["removable", "1"],
      ["thin_provisioning", "1"],
      ["rotation_rate", "1"],
      ["vendor_id", identity.vendor],
      ["product_id", identity.product],
      ["product_rev", identity.revision],
      ["scsi_sn", identity.serial],
    ].map(([key, value]) => `${key}=${value}`);
    return await Tgtd.serve(context, [
      unitWords(1, file, "--bstype", "rdwr"),
      ["--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", "1", "--params", params.join(",")],
    ]);
  }

  /** One target, which every initiator may find, and what further words of tgtadm make of it; at a free port where none is given. */
  static async serve(
    context: SuiteContext,
    setUp: readonly (readonly string[])[],
    { port = 0 }: { readonly port?: number } = {},
  ): Promise<Tgtd> {
    const at = port === 0 ? await freePort() : port;
    const address = `127.0.0.1:${at}`;
    // The number of its control socket is as free as the port's, as nothing else here is tgtd.
    const child = context.start("tgtd", "-f", "-C", String(at % 32768), "--iscsi", `portal=${address}`);
    const ask = async (...words: readonly string[]) =>
      await context.run("tgtadm", "-C", String(at % 32768), "--lld", "iscsi", ...words);
    await listens(ask);
    for (const words of [
      ["--mode", "target", "--op", "new", "--tid", "1", "-T", TARGET],
      ...setUp,
      ["--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL"],
    ]) {
      const { status, errors } = await ask(...words);
      if (status !== 0) throw new Error(`tgtadm ${words.join(" ")} ended with ${status}: ${errors.trim()}`);
    }
    return new Tgtd(child, address);
  }

  /** Where initiators come to. */
  get port(): number {
    return Number(this.address.split(":")[1]);
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    process.kill(this.#child.pid, "SIGKILL");
    await this.#child.finished;
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}

/** tgtadm's words for a logical unit over a file. */
export function unitWords(lun: number, file: string, ...more: readonly string[]): string[] {
  return ["--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", String(lun), "-b", file, ...more];
}

async function listens(ask: (...words: readonly string[]) => Promise<{ status: number | string }>): Promise<void> {
  for (let i = 0; i < TRIES; i++) {
    if ((await ask("--mode", "target", "--op", "show")).status === 0) return;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
  }
  throw new Error("tgtd does not listen to tgtadm");
}

/** A port that nothing listened at a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
