// Knows a shell over LIO's tree for tests: over made-up files, with what it keeps, makes and says.

import { drawnNames, type FoundFile, LioShell, type TreeEntry } from "@pvscsi/host";
import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

/** The device of libvirt's page on vhost-scsi. */
export const MULTIPATH = "/dev/disk/by-id/dm-uuid-mpath-36005076306ffc7630000000000002000";
/** Where its configuration is kept. */
export const STATE = "/state/saveconfig.json";

/** A shell over made-up files, and what it says. */
export class Stand {
  readonly kept = new Map<string, string>();
  readonly files = new Map<string, FoundFile>([
    [
      MULTIPATH,
      {
        kind: "block",
        size: 15_032_385_536,
        readOnly: false,
        identity: "252:0",
        device: { name: "dm-0", major: 252, minor: 0 },
      },
    ],
    ["/data/there.img", { kind: "file", size: 8192, readOnly: false, identity: "1" }],
    ["/data", { kind: "other", size: 0, readOnly: false, identity: "2" }],
  ]);
  readonly planted = new Map<string, TreeEntry>();
  readonly said: string[] = [];
  readonly shell = new LioShell({
    keeper: {
      file: STATE,
      read: async (file) => this.kept.get(file) ?? null,
      write: async (file, text) => void this.kept.set(file, text),
    },
    files: {
      find: async (path) => this.files.get(path) ?? null,
      create: async (path, size) =>
        void this.files.set(path, { kind: "file", size, readOnly: false, identity: `new ${path}` }),
      plant: async (folder, entries) => {
        for (const entry of entries) this.planted.set(`${folder}/${entry.path}`, entry);
      },
      resolve: (path) => (path.startsWith("/") ? path : `/data/${path}`),
    },
    names: drawnNames(seededRandom(1), { host: "dom_0.example", machine: "x86_64" }),
    say: (line) => this.said.push(line),
    width: () => 80,
  });

  /** What is said to one line, a fault among it. */
  async ask(line: string): Promise<string> {
    this.said.length = 0;
    const fault = await this.shell.run(line);
    return [...this.said, ...(fault === null ? [] : [`! ${fault}`])].join("\n");
  }

  async all(...lines: string[]): Promise<void> {
    for (const line of lines) expect(await this.ask(line), line).not.to.match(/^! /m);
  }
}
