// Knows dom0, a driver domain and a guest on a machine each, joined by TLS over their cables: what is typed on them.

import { copyFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { Child, Finished } from "../children.js";
import { endEmptied } from "../emptied-dom0.js";
import type { SuiteContext } from "../suite.js";
import { Network } from "./network.js";

const PORT = 7680;

export type MachineName = "dom0" | "storage" | "far";

/** On dom0's machine; those of the driver domain go from there to its own. */
const FILES = {
  "host.yaml": "hosts:\n  - host: 0\n    luns:\n      - { address: 0:0:0:0, memory: 256MiB }\n",
  "storage.yaml": `hosts:
  - host: 3
    luns:
      - { address: 3:0:0:0, memory: 256MiB }
      - { address: 3:0:1:0, file: disk.img, size: 256MiB, create: true }
      - { address: 3:0:2:0, file: kept.img, size: 16MiB, create: true }
`,
  "storage.cfg": "name = 'storage'\ndriver_domain = 1\npvscsi_host = 'storage.yaml'\non_crash = 'restart'\n",
  "far.cfg": `name = 'far'
memory = 128
vscsi = [ '3:0:0:0,0:0:0:0,backend=storage', '3:0:1:0,0:0:1:0,backend=storage', '3:0:2:0,0:0:2:0,backend=storage',
          '0:0:0:0,1:0:0:0' ]
`,
};

export class ThreeMachines {
  readonly network: Network<MachineName>;
  #dom0: Child | null = null;
  readonly #domains = new Map<MachineName, Child>();
  /** What was printed to be typed on a domain's machine. */
  readonly #words = new Map<MachineName, readonly string[]>();

  private constructor(network: Network<MachineName>) {
    this.network = network;
  }

  static async start(context: SuiteContext): Promise<ThreeMachines> {
    const network = await Network.open<MachineName>(context, ["dom0", "storage", "far"]);
    const machines = new ThreeMachines(network);
    for (const [name, text] of Object.entries(FILES)) await writeFile(network.path("dom0", name), text);
    await machines.#certify();
    const tls = ["--certificate", "cert.pem", "--key", "key.pem"];
    const listen = ["--listen", `${network.address("dom0")}:${PORT}`];
    const words = ["dom0", "--host", "host.yaml", "--state", "state", ...listen, ...tls];
    machines.#dom0 = network.start("dom0", process.execPath, MAIN, ...words);
    expect(await machines.said()).to.match(/^dom0 is ready .* wss:\/\/10\.23\.0\.1:7680$/);
    for (const name of ["storage", "far"] as const) await machines.#create(name);
    return machines;
  }

  /** Types a verb on a machine: dom0's answers it, or the domain's that runs there. */
  type(name: MachineName, verb: string, ...words: readonly string[]): Promise<string> {
    return this.network.succeed(name, process.execPath, MAIN, verb, "--state", "state", ...words);
  }

  /** Runs a command in the guest, typed on its machine. */
  guest(...words: readonly string[]): Promise<string> {
    return this.type("far", "guest", "far", "--", ...words);
  }

  /** Serves a disk of the guest and gives its URI; the socket is a file, which all machines here have in common. */
  async serve(disk: string, name: string): Promise<string> {
    return (await this.guest("nbd", disk, "--socket", this.network.path("far", `${name}.socket`))).trim();
  }

  /** The guest's disks, by their addresses there. */
  async disks(): Promise<Map<string, string>> {
    const text = await this.guest("lsscsi");
    return new Map([...text.matchAll(/^\[(\S+)\].*\/dev\/(sd\w+)/gm)].map(([, address, disk]) => [address, disk]));
  }

  /** The next line that dom0 says. */
  said(): Promise<string> {
    return this.#running.readLine();
  }

  get #running(): Child {
    return this.#dom0 ?? expect.fail("no dom0 was started");
  }

  /** Starts a domain on its machine, with the line that dom0 has printed for it. */
  async join(name: "storage" | "far"): Promise<void> {
    const words = this.#words.get(name) ?? expect.fail(`${name} was not created`);
    const child = this.network.start(name, process.execPath, MAIN, ...words, "--state", "state");
    this.#domains.set(name, child);
    expect(await child.readLine()).to.match(
      new RegExp(`^domain '${name}' \\(\\d+\\) runs here, until Ctrl-C or SIGTERM$`),
    );
    expect(await this.said()).to.equal(`domain '${name}' has joined, from ${this.network.address(name)}`);
  }

  /** How a domain's process has ended. */
  ended(name: "storage" | "far"): Promise<Finished> {
    return (this.#domains.get(name) ?? expect.fail(`${name} was not joined`)).finished;
  }

  /** Nothing may be left in dom0 of a guest that is gone, and of a driver domain that is destroyed. */
  async finish(): Promise<string> {
    await this.type("dom0", "destroy", "storage");
    const storage = await this.ended("storage");
    expect(storage.errors).to.equal("pvscsi: domain 1 has ended: the domain was destroyed\n");
    return endEmptied(this.#running, (verb, ...words) => this.type("dom0", verb, ...words), /vscsi|storage|far/);
  }

  /** Makes the certificate of dom0's address. */
  async #certify(): Promise<void> {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"];
    const subject = ["-subj", "/CN=dom0", "-addext", `subjectAltName=IP:${this.network.address("dom0")}`];
    await this.network.succeed("dom0", "openssl", "req", "-x509", ...key, ...subject, "-days", "1", "-out", "cert.pem");
  }

  /** Creates a domain, and brings what is named for it to its machine. */
  async #create(name: "storage" | "far"): Promise<void> {
    const lines = (await this.type("dom0", "create", `${name}.cfg`, "--elsewhere")).trimEnd().split("\n");
    const [, what, command, ...more] = lines;
    expect(more, "a dom0 that others reach has no more to say").to.deep.equal([]);
    const files = /with copies of (.*):$/.exec(what)?.[1].split(", ") ?? expect.fail(what);
    for (const file of files) {
      const copy = this.network.path(name, basename(file));
      await copyFile(file, copy);
    }
    const [program, ...words] = command.split(" ");
    expect(program).to.equal("pvscsi");
    this.#words.set(name, words);
  }
}
