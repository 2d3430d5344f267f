// Node writes of our drivers against a trace of the kernel's: the same nodes, values and transactions, in the same order.
// Left out of the comparison are ids, tokens, grant and port numbers, and the nodes below `error/`: Linux' backend
// gives no reason for a LUN that it refuses, ours does.

import { MemoryStore } from "@pvscsi/scsi";
import { Scsiback } from "@pvscsi/scsiback";
import { Scsifront } from "@pvscsi/scsifront";
import type { XenstoreAccess, XenstoredMessage, XenstoreSession } from "@pvscsi/xen";
import { expect } from "chai";
import { type Actor, goldenTrace, type TraceLine } from "../support/golden-trace.js";
import { goldenText } from "../support/repository.js";
import { ScriptedFront } from "../support/scripted-front.js";
import { memoryDisk, TestDirectory } from "../support/scsi-devices.js";
import { VscsiNodes } from "../support/vscsi-nodes.js";
import { XenWorld } from "../support/xen-world.js";

const COMPARED = ["WRITE", "MKDIR", "RM", "SET_PERMS", "WATCH", "UNWATCH", "TRANSACTION_START", "TRANSACTION_END"];
const BACK = "/local/domain/0/backend/vscsi/1/0";
const FRONT = "/local/domain/1/device/vscsi/0";

/** What is compared of a message: numbers and tokens that each run gives anew are masked. */
function shown({ operation, path, value }: TraceLine): string {
  const masked = /\/(ring-ref|event-channel)$/.test(path) || operation.endsWith("WATCH");
  return `${operation} ${path} ${masked ? "*" : value}`.trimEnd();
}

/** Records the messages that change something, by connection. */
class Tap {
  readonly lines = new Map<number, string[]>();

  constructor(world: XenWorld) {
    world.listen((name, subject) => {
      if (name !== "xenstored:request") return;
      const { connection, name: operation, message } = subject as XenstoredMessage;
      const [path, value = ""] = message.payload.split("\0");
      if (!COMPARED.includes(operation) || path.startsWith("error/")) return;
      const list = this.lines.get(connection) ?? [];
      this.lines.set(connection, list);
      list.push(shown({ actor: "tool", operation, path, value }));
    });
  }

  of(connection: number): string[] {
    return this.lines.get(connection) ?? [];
  }
}

/** Numbers of connections, in the order in which a world makes them. */
const CONNECTION = { tool: 0, dom0k: 1, domUk: 2 } as const;

class Replay {
  readonly world = new XenWorld();
  readonly tap = new Tap(this.world);
  readonly directory = new TestDirectory({
    "naa.6001405000000001:0": memoryDisk(new MemoryStore(1 << 20)),
    "naa.6001405000000001:1": memoryDisk(new MemoryStore(1 << 20)),
  });
  readonly #parts = { clock: this.world.simulation, scheduler: this.world.simulation, probes: this.world.probes };
  /** What stands for numbers in the trace that a run gives anew. */
  readonly values = new Map<string, string>();

  async start(drivers: readonly Actor[]): Promise<{ [actor: string]: XenstoreSession }> {
    const dom0 = await this.world.createDomain(0);
    const guest = await this.world.createDomain(1);
    if (drivers.includes("dom0k")) {
      await this.world.done(new Scsiback({ ...this.#parts, domain: dom0, directory: this.directory }).start());
    }
    if (drivers.includes("domUk")) {
      const front = new Scsifront({
        ...this.#parts,
        domain: guest,
        attach: (adapter) => adapter.listen(async () => true),
      });
      await this.world.done(front.start());
    } else {
      const nodes = await VscsiNodes.create(this.world, { guest: 1, device: 77 });
      const { ring, port } = new ScriptedFront(this.world, guest, nodes);
      this.values.set("ring-ref", String(ring.gref));
      this.values.set("event-channel", String(port));
      await nodes.remove();
    }
    await this.world.settle();
    this.tap.lines.clear();
    return { tool: this.world.tool, dom0k: dom0.store as XenstoreSession, domUk: guest.store as XenstoreSession };
  }

  /** Plays the lines of everybody but `drivers`, whose messages must be the trace's wherever it goes on without them. */
  async run(drivers: readonly Actor[], between: (line: TraceLine) => Promise<void> = async () => {}): Promise<void> {
    const stores = await this.start(drivers);
    const expected = new Map<Actor, string[]>(drivers.map((driver) => [driver, []]));
    let transaction: TraceLine[] | null = null;
    for (const line of goldenTrace()) {
      const list = expected.get(line.actor);
      if (list !== undefined) {
        list.push(shown(line));
        continue;
      }
      for (const [driver, lines] of expected) {
        expect(this.tap.of(CONNECTION[driver as "dom0k" | "domUk"]).slice(0, lines.length)).to.deep.equal(lines);
      }
      await between(line);
      if (line.operation === "TRANSACTION_START") transaction = [];
      else if (line.operation === "TRANSACTION_END") {
        const lines = transaction ?? [];
        transaction = null;
        await this.world.done(stores[line.actor].transaction((access) => this.#playAll(access, lines)));
      } else if (transaction !== null) transaction.push(line);
      else await this.world.done(this.#playAll(stores[line.actor], [line]));
    }
    await this.world.settle();
    // The kernel's front end watches until its device is removed, which the trace does not show any more.
    expected.get("domUk")?.push(`UNWATCH ${BACK}/state *`);
    for (const [driver, lines] of expected) {
      expect(this.tap.of(CONNECTION[driver as "dom0k" | "domUk"])).to.deep.equal(lines);
    }
  }

  async #playAll(access: XenstoreAccess, lines: readonly TraceLine[]): Promise<void> {
    for (const { operation, path, value } of lines) {
      if (operation === "WRITE") await access.write(path, this.values.get(path.split("/").at(-1) ?? "") ?? value);
      else if (operation === "SET_PERMS") await access.setPermissions(path, value.split(" "));
      // Whether a hand-played driver watches makes no difference to the other side.
      else if (!operation.endsWith("WATCH")) expect.fail(operation);
    }
  }

  /** The nodes below both halves as the dumps of the golden run show them. */
  async dump(): Promise<string[]> {
    const lines: string[] = [];
    for (const top of [BACK, FRONT]) await this.#dump(top, lines);
    return lines;
  }

  async #dump(path: string, lines: string[]): Promise<void> {
    const { world } = this;
    for (const name of (await world.done(world.tool.list(path))) ?? []) {
      const child = `${path}/${name}`;
      const permissions = await world.done(world.tool.permissions(child));
      lines.push(maskNumbers(`${child} = "${await world.read(child)}"   (${permissions.join(",")})`));
      await this.#dump(child, lines);
    }
  }
}

function maskNumbers(line: string): string {
  return line.replace(/(ring-ref|event-channel) = "\d+"/, '$1 = "*"');
}

function goldenDump(name: string): string[] {
  const lines = goldenText(`xen-4.17/${name}.xenstore.txt`).split("\n");
  return lines.filter((line) => line.startsWith("/")).map(maskNumbers);
}

describe("node writes, against the kernel's", () => {
  it("our back end, with the kernel's front end", () => new Replay().run(["dom0k"]));

  it("our front end, with the kernel's back end", () => new Replay().run(["domUk"]));

  it("both, with the same nodes as the kernel's at three moments", async () => {
    const replay = new Replay();
    let compared = 0;
    const compare = async (name: string): Promise<void> => {
      compared += 1;
      expect(await replay.dump()).to.have.members(goldenDump(name));
    };
    await replay.run(["dom0k", "domUk"], async ({ path, value }) => {
      if (path.endsWith("dev-1/p-devname")) await compare("04-connected");
      if (path.endsWith("dev-1/state") && value === "5") await compare("06-lun2-bad-pdev");
    });
    await compare("08-closed");
    expect(compared).to.equal(3);
    expect(await replay.world.read("/local/domain/0/error/backend/vscsi/1/0/vscsi-devs/dev-2/error")).to.equal(
      "19 no device naa.deadbeef00000000:7",
    );
  });
});
