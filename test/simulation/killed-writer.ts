// A program that writes to a file through a whole guest without end, and says what is durable: `FOLDER SEED`.

import { writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseMachineConfig } from "@pvscsi/config";
import { seededRandom } from "@pvscsi/wire";
import { openSession } from "pvscsi";
import { makeFilesVolatile } from "../support/volatile-file.js";
import { VersionWriter } from "./versions.js";

const SECTORS = 2048;
const WRITERS = 4;
const HOST = `hosts:
  - host: 0
    luns:
      - { address: "0:0:0:0", file: disk.img, size: 1MiB, create: true }
`;

const [folder, seed] = process.argv.slice(2);
makeFilesVolatile();
const hostFile = join(folder, "host.yaml");
writeFileSync(hostFile, HOST);
const { system } = await openSession(hostFile, folder);
const config = parseMachineConfig("name = 'domU'\nmemory = 16\nvscsi = [ '0:0:0:0,0:0:0:0' ]\n", { file: "domU.cfg" });
const { guest } = system.guest(await system.toolstack.create(config));
const disk = guest.disk("sda");
if (disk === undefined) throw new Error("the guest has no sda");
const random = seededRandom(Number(seed), "killed writer");
const store = guest.store(disk);
const share = SECTORS / WRITERS;
// Written at once: what is said must not be in a buffer when the process is killed.
const say = (sector: number, version: number): void => void writeSync(1, `${sector} ${version}\n`);
await Promise.all(
  Array.from({ length: WRITERS }, (_, i) =>
    new VersionWriter(store, i * share, (i + 1) * share, random.fork(`writer ${i}`), say).run(),
  ),
);
