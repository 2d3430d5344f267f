// Durability: what a guest was told is durable is still there after a power cut, or after its process was killed.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { temporaryFolder } from "../support/temporary-folder.js";
import { mediumOf } from "../support/volatile-file.js";
import { cutPower } from "./power-cut.js";
import { Promises } from "./versions.js";

const SEEDS = 150;

describe("a power cut", function () {
  this.timeout(120_000);

  it(`takes nothing that was acknowledged as durable, in ${SEEDS} histories`, async () => {
    let promised = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await cutPower(seed);
      expect(result.broken, `seed ${seed}`).to.equal(null);
      promised += result.promised;
    }
    expect(promised).to.be.above(SEEDS * 50);
  });

  for (const lying of ["flush", "fua"] as const) {
    it(`would be noticed on a disk that lies about ${lying}`, async () => {
      const results = [];
      for (let seed = 1; seed <= 10; seed++) results.push((await cutPower(seed, lying)).broken);
      expect(results.filter((broken) => broken !== null)).not.to.deep.equal([]);
    });
  }
});

describe("a process that is killed while it writes", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const program = fileURLToPath(new URL("./killed-writer.js", import.meta.url));

  for (const seed of [1, 2, 3]) {
    it(`leaves all that it acknowledged in the file, and had it synced before, seed ${seed}`, async () => {
      const random = seededRandom(seed, "kill");
      const child = spawn(process.execPath, [program, folder.path(), String(seed)], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const errors = text(child.stderr);
      const promises = new Promises();
      const lines = await acknowledgements(child, 100 + random.below(2000));
      expect(await errors).to.equal("");
      for (const line of lines) {
        const [sector, version] = line.split(" ").map(Number);
        promises.add(sector, version);
      }
      expect(promises.count).to.be.above(99);
      expect(promises.broken(readFileSync(folder.path("disk.img"))), "the file").to.equal(null);
      expect(promises.broken(readFileSync(mediumOf(folder.path("disk.img")))), "what was synced of it").to.equal(null);
    });
  }
});

/** Kills the child as soon as it has said so many lines; all whole lines that it said before it was gone. */
async function acknowledgements(child: ChildProcess, count: number): Promise<string[]> {
  let said = "";
  let seen = 0;
  child.stdout?.setEncoding("ascii").on("data", (piece: string) => {
    said += piece;
    seen += piece.split("\n").length - 1;
    if (seen >= count) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  expect(signal).to.equal("SIGKILL");
  return said.split("\n").slice(0, -1);
}
