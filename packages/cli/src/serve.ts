// Knows how a guest's disks are handed to NBD clients for as long as somebody wants, by the guest's own command.

import { join } from "node:path";
import type { DemoGuest } from "./demo.js";
import type { Printer } from "./printer.js";
import { Exit, type Outcome } from "./verb.js";
import { runWhole } from "./verbs.js";

/** Serves every disk of the guest on a Unix socket and prints the URIs, until `ended`. */
export async function serveDisks(
  { system, guest, folder }: DemoGuest,
  printer: Printer,
  ended: () => Promise<unknown>,
): Promise<number> {
  const run = (...command: readonly string[]): Promise<Outcome> => runWhole(system, ["guest", guest, "--", ...command]);
  const disks = (await run("lsscsi")).output.match(/(?<=\/dev\/)sd[a-z]+/g) ?? [];
  if (disks.length === 0) {
    printer.error("pvscsi: no guest has a disk to serve");
    return Exit.failed;
  }
  const path = join(folder, "nbd.sock");
  const over = ended();
  const { errors, status } = await run("nbd", ...disks, "--socket", path);
  if (status !== Exit.done) {
    printer.error(errors);
    return status;
  }
  const names = disks.map((disk) => encodeURIComponent(`${guest}-${disk}`));
  printer.print(names.map((name) => `nbd+unix:///${name}?socket=${path}`).join("\n"));
  printer.print("serving the guest's disks over NBD until Ctrl-C or SIGTERM");
  await over;
  return Exit.done;
}
