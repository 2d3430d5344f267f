// Knows the step of the demonstration in which scsifront and scsiback are processes of their own, joined by a WebSocket:
// this process is their dom0.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@pvscsi/wire";
import { CONFIGS } from "./configs.js";
import type { Stage } from "./demo-stage.js";
import { sha256, writeImage } from "./image.js";
import { Machine } from "./machine.js";
import { systemOptions } from "./session.js";

const MIB = 1024 * 1024;
const SEED = 43;

export async function showProcesses(stage: Stage): Promise<string> {
  const state = join(stage.folder, "processes");
  await mkdir(state);
  const options = await systemOptions(join(CONFIGS, "host.yaml"), state);
  const machine = new Machine({ ...options, state, listen: { port: 0 }, say: (line) => stage.print(line) });
  await machine.start();
  try {
    return await show(stage, machine);
  } finally {
    await machine.close();
  }
}

async function show(stage: Stage, machine: Machine): Promise<string> {
  const dom0 = (...words: readonly string[]) => stage.run("dom0", machine, words);
  const guest = (...words: readonly string[]) => stage.run("guest", machine, ["guest", "guest", "--", ...words], words);
  const before = machine.things();
  await dom0("create", join(CONFIGS, "storage.cfg"));
  await dom0("create", join(CONFIGS, "guest.cfg"));
  await dom0("scsi-list", "guest");
  await guest("lsscsi");
  const image = join(stage.folder, "small.raw");
  const copy = join(stage.folder, "small-copy.raw");
  await writeImage(image, 16 * MIB, SEED);
  await guest("dd", `if=${image}`, "of=/dev/sda", "bs=1M", "oflag=direct", "conv=fsync");
  await guest("dd", "if=/dev/sda", `of=${copy}`, "bs=1M", "count=16", "iflag=direct");
  assert((await sha256(image)) === (await sha256(copy)), "the SHA-256 sums differ");
  await dom0("destroy", "guest");
  await dom0("destroy", "storage");
  assert(machine.things() === before, `left over: ${machine.things()}`);
  return `what the guest's process wrote through ${machine.url} came back from the driver domain's: equal SHA-256`;
}
