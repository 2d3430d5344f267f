// Knows the demonstration: the whole way of a guest's I/O shown step by step, each step checked. Knows no terminal.

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ByteStore, StoreRequest } from "@pvscsi/scsi";
import { fail, Places, seededRandom } from "@pvscsi/wire";
import { runBenchmark } from "./benchmark.js";
import { sha256, writeImage } from "./image.js";
import { nodeClock } from "./platform.js";
import { followRing } from "./ring-trace.js";
import { openSession, type Session } from "./session.js";
import { Exit, runVerb } from "./verbs.js";

export interface DemoOptions {
  /** domU.cfg; the embedded one when it is left out. */
  readonly config?: string;
  /** host.yaml; the one beside the domU.cfg when it is left out. */
  readonly host?: string;
  /** Takes text for the person who watches. */
  readonly write: (text: string) => void;
  /** What comes after the steps, while everything still runs; gives the exit status. */
  readonly afterwards?: (session: Session) => Promise<number>;
}

const MIB = 1024 * 1024;
const CONFIGS = fileURLToPath(new URL("../../../configs/", import.meta.url));
const SEED = 42;

/** Runs all steps; gives the exit status. Throws when a step did not do what it must. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const config = options.config ?? join(CONFIGS, "domU.cfg");
  const host = options.host ?? join(dirname(config), "host.yaml");
  const embedded = resolve(config) === join(CONFIGS, "domU.cfg") && resolve(host) === join(CONFIGS, "host.yaml");
  if (!existsSync(host)) throw new Error(`no ${host}: name the driver domain's devices with --host`);
  const folder = await mkdtemp(join(tmpdir(), "pvscsi-demo-"));
  try {
    const session = await openSession(host, embedded ? folder : dirname(host));
    try {
      const demo = new Demo(session, config, folder, options.write);
      await demo.run(embedded);
      return (await options.afterwards?.(session)) ?? Exit.done;
    } finally {
      await session.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Demo {
  readonly #session: Session;
  readonly #config: string;
  readonly #folder: string;
  readonly #write: (text: string) => void;

  constructor(session: Session, config: string, folder: string, write: (text: string) => void) {
    this.#session = session;
    this.#config = config;
    this.#folder = folder;
    this.#write = write;
  }

  /** `embedded`: the devices are those of our own host.yaml, so that the steps that need them can be shown. */
  async run(embedded: boolean): Promise<void> {
    const name = await this.#create();
    if (!embedded) return;
    const idle = this.#openThings();
    await this.#image(name);
    await this.#hotplug(name);
    await this.#followOneRead(name);
    await this.#failingBlock(name);
    await this.#transports();
    this.#expectSame(idle, this.#openThings());
  }

  async #create(): Promise<string> {
    this.#title("A guest with LUNs of dom0 behind scsifront, a granted ring and scsiback");
    await this.#verb("create", this.#config);
    const [, domain] = await this.#session.system.toolstack.list();
    const { name } = domain;
    await this.#verb("scsi-list", name);
    await this.#verb("guest", name, "--", "dmesg");
    await this.#verb("guest", name, "--", "lsscsi", "-g");
    return name;
  }

  async #image(name: string): Promise<void> {
    this.#title("A 256 MiB image through the guest, there and back");
    const image = join(this.#folder, "image.raw");
    const copy = join(this.#folder, "copy.raw");
    await writeImage(image, 256 * MIB, SEED);
    await this.#verb("guest", name, "--", "dd", `if=${image}`, "of=/dev/sda", "bs=1M", "oflag=direct", "conv=fsync");
    await this.#verb("guest", name, "--", "dd", "if=/dev/sda", `of=${copy}`, "bs=1M", "iflag=direct");
    const sums: [string, string][] = [
      ["the image", await sha256(image)],
      ["dom0's file behind /dev/sda", await sha256(join(this.#folder, "images", "disk0.img"))],
      ["what the guest read back", await sha256(copy)],
    ];
    for (const [what, sum] of sums) this.#line(`${sum}  ${what}`);
    if (new Set(sums.map(([, sum]) => sum)).size !== 1) fail("the SHA-256 sums differ");
  }

  async #hotplug(name: string): Promise<void> {
    this.#title("A LUN comes and goes while the guest works on another one");
    const work = this.#workOn(name, "sdb");
    await this.#verb("scsi-attach", name, "/dev/sdd", "1:0:0:1");
    await this.#verb("guest", name, "--", "lsscsi", "-g");
    await this.#verb("scsi-detach", name, "1:0:0:1");
    await this.#verb("guest", name, "--", "lsscsi", "-g");
    const verified = await work.stop();
    this.#line(`meanwhile on /dev/sdb: ${verified} blocks of 4 KiB written, read back and compared, no error`);
    if (verified === 0) fail("no I/O ran during the hotplug");
  }

  /** Writes and reads back random blocks until it is stopped; gives how many. */
  #workOn(name: string, disk: string): { stop(): Promise<number> } {
    const { guest } = [...this.#session.system.guests.values()][0];
    const store = guest.store(guest.disk(disk) ?? fail(`${name} has no ${disk}`));
    const random = seededRandom(SEED, "work");
    let running = true;
    const work = (async () => {
      let verified = 0;
      while (running) {
        const offset = random.below(store.size / 4096) * 4096;
        const written = Uint8Array.from({ length: 4096 }, () => random.u32());
        const read = new Uint8Array(4096);
        await transfer(store, "write", offset, written);
        await transfer(store, "read", offset, read);
        if (Buffer.compare(written, read) !== 0) fail(`block at ${offset} is not what was written`);
        verified += 1;
      }
      return verified;
    })();
    return {
      stop: () => {
        running = false;
        return work;
      },
    };
  }

  async #followOneRead(name: string): Promise<void> {
    this.#title("One READ followed across the ring");
    const { guest } = [...this.#session.system.guests.values()][0];
    const store = guest.store(guest.disk("sda") ?? fail(`${name} has no sda`));
    const lines = followRing(this.#session.probes, nodeClock);
    await transfer(store, "read", 4096, new Uint8Array(4096));
    this.#line(lines());
  }

  async #failingBlock(name: string): Promise<void> {
    this.#title("A LUN that fails at one block, and what Linux says of it");
    const { guest } = [...this.#session.system.guests.values()][0];
    await this.#verb("scsi-attach", name, "/dev/sde", "0:0:2:0");
    const before = guest.log.lines.length;
    await this.#verb("guest", name, "--", "lsscsi");
    await this.#verb("guest", name, "--", "dd", "if=/dev/sdd", "of=/dev/null", "bs=4k", "skip=120", "count=10");
    this.#line("# dmesg, the new lines");
    const lines = guest.log.lines.slice(before);
    this.#line(lines.join("\n"));
    if (!lines.some((line) => line.includes("critical medium error, dev sdd, sector 1000")))
      fail("no error at block 1000");
    await this.#verb("scsi-detach", name, "0:0:2:0");
  }

  async #transports(): Promise<void> {
    this.#title("The same blocks over each transport, beside a bare copy of them");
    this.#line(await runBenchmark({ workloads: ["4k randread", "256k seqread d8"], rounds: 3, milliseconds: 150 }));
  }

  /** Grants, ports and mappings of all domains. */
  #openThings(): string {
    const things = this.#session.system.hypervisor.describe();
    return things
      .map(({ id, ports, grants, mappings }) => `${id}: ${ports.length} ${grants} ${mappings.length}`)
      .join("; ");
  }

  #expectSame(before: string, after: string): void {
    this.#title("Nothing is left over");
    this.#line(`ports, grants and mappings by domain: ${after}`);
    if (after !== before) fail(`left over: ${after}, before the steps ${before}`);
  }

  async #verb(...words: string[]): Promise<void> {
    this.#line(`\n# ${words[0] === "guest" ? words.slice(3).join(" ") : words.join(" ")}`);
    const { output, errors, status } = await runVerb(this.#session.system, words);
    for (const text of [output, errors]) if (text !== "") this.#line(text.replace(/\n$/, ""));
    const mayFail = words.includes("dd") && words.includes("skip=120");
    if (status !== Exit.done && !mayFail) throw new Error(`${words.join(" ")} ended with status ${status}`);
  }

  #title(text: string): void {
    this.#line(`\n== ${text} ==`);
  }

  #line(text: string): void {
    this.#write(`${text}\n`);
  }
}

function transfer(store: ByteStore, operation: "read" | "write", offset: number, bytes: Uint8Array): Promise<void> {
  const request = new StoreRequest();
  request.operation = operation;
  request.offset = offset;
  request.length = bytes.length;
  request.places = new Places();
  request.places.add(bytes, 0, bytes.length);
  return new Promise((resolve, reject) => {
    request.completed = ({ error }) => (error === null ? resolve() : reject(error));
    store.submit(request);
  });
}
