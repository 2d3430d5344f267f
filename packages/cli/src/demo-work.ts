// Knows the guest's work of the demonstration: blocks of a disk that are written, read back and compared by its commands.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, type Random } from "@pvscsi/wire";
import type { Stage } from "./demo-stage.js";
import { Exit } from "./verb.js";

const BLOCK = 4096;
/** Of one round. */
const BLOCKS = 32;

export class VerifiedWork {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #disk: string;
  /** Blocks it has. */
  readonly #size: number;
  readonly #written: string;
  readonly #read: string;

  constructor(stage: Stage, random: Random, disk: string, size: number) {
    this.#stage = stage;
    this.#random = random;
    this.#disk = disk;
    this.#size = size / BLOCK;
    this.#written = join(stage.folder, "written.raw");
    this.#read = join(stage.folder, "read.raw");
  }

  /** Goes on while `body` runs; gives how many blocks were right. Rejects when one was not, and with what `body` does. */
  async during(body: () => Promise<void>): Promise<number> {
    let running = true;
    const work = async (): Promise<number> => {
      let blocks = 0;
      for (; running; blocks += BLOCKS) await this.#round();
      return blocks;
    };
    const { write, read } = this.#commands("$N");
    this.#stage.print(`\n${this.#stage.guest}# while true; do ${write.join(" ")}; ${read.join(" ")}; cmp; done &`);
    const shown = body().finally(() => {
      running = false;
    });
    const [verified, done] = await Promise.allSettled([work(), shown]);
    if (done.status === "rejected") throw done.reason;
    if (verified.status === "rejected") throw verified.reason;
    return verified.value;
  }

  async #round(): Promise<void> {
    const at = this.#random.below(this.#size - BLOCKS);
    const data = Uint8Array.from({ length: BLOCKS * BLOCK }, () => this.#random.u32());
    await writeFile(this.#written, data);
    const { write, read } = this.#commands(String(at));
    for (const command of [write, read]) {
      const { output, errors, status } = await this.#stage.quietly(...command);
      assert(status === Exit.done, `${command.join(" ")}: ${output}${errors}`);
    }
    const same = Buffer.compare(data, await readFile(this.#read)) === 0;
    assert(same, `blocks from ${at} on are not what was written`);
  }

  /** Of a round from block `at` on. */
  #commands(at: string): { readonly write: readonly string[]; readonly read: readonly string[] } {
    const size = ["bs=4k", `count=${BLOCKS}`];
    return {
      write: ["dd", `if=${this.#written}`, `of=/dev/${this.#disk}`, ...size, `seek=${at}`, "oflag=direct"],
      read: ["dd", `if=/dev/${this.#disk}`, `of=${this.#read}`, ...size, `skip=${at}`, "iflag=direct"],
    };
  }
}
