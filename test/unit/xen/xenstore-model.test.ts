// Random requests of two connections against a model that knows nothing of generations: each transaction that commits
// must have been answered as if it had run alone, all at once, at its end.

import { expect } from "chai";
import fc from "fast-check";
import { type RawPeer, rawBytes, typeNumber, World } from "./xenstore-support.js";

interface ModelNode {
  value: string;
  readonly children: Map<string, ModelNode>;
}

interface Step {
  readonly peer: 0 | 1;
  readonly name: "READ" | "DIRECTORY" | "WRITE" | "MKDIR" | "RM" | "BEGIN" | "COMMIT" | "DROP";
  readonly path: string;
  readonly value: string;
  /** Whether the request is sent in the peer's open transaction, if it has one. */
  readonly inside: boolean;
  /** Where the request's bytes are cut. */
  readonly cuts: readonly number[];
}

function newNode(): ModelNode {
  return { value: "", children: new Map() };
}

/** The tree as plain nested maps; answers as `RawPeer.answer` writes them. */
class Model {
  readonly root = newNode();

  answer({ name, path, value }: Step): string {
    const parts = path.slice(1).split("/");
    const node = this.#find(parts);
    const parent = this.#find(parts.slice(0, -1));
    if (name === "WRITE" || name === "MKDIR") {
      const target = node ?? this.#make(parts);
      if (name === "WRITE") target.value = value;
      return "OK";
    }
    if (name === "RM") {
      parent?.children.delete(parts[parts.length - 1]);
      return parent === null ? "ENOENT" : "OK";
    }
    if (node === null) return "ENOENT";
    return name === "READ" ? node.value : [...node.children.keys()].map((child) => `${child}|`).join("");
  }

  #find(parts: readonly string[]): ModelNode | null {
    let node: ModelNode | undefined = this.root;
    for (const part of parts) node = node?.children.get(part);
    return node ?? null;
  }

  #make(parts: readonly string[]): ModelNode {
    let node = this.root;
    for (const part of parts) {
      const child = node.children.get(part) ?? newNode();
      node.children.set(part, child);
      node = child;
    }
    return node;
  }

  /** As Xenstored's dump prints it. */
  dump(node = this.root, depth = 0): string {
    return [...node.children]
      .map(([name, child]) => `${" ".repeat(depth)}${name} = "${child.value}"   (n0)\n${this.dump(child, depth + 1)}`)
      .join("");
  }
}

interface Open {
  readonly id: number;
  readonly steps: Step[];
  readonly answers: string[];
  /** Changes of the tree by others since it began. */
  foreign: number;
}

class Run {
  readonly world = new World();
  readonly model = new Model();
  readonly peers = [this.world.tools(), this.world.tools()] as const;
  readonly open: [Open | null, Open | null] = [null, null];
  commits = 0;
  conflicts = 0;

  constructor() {
    this.model.answer({ name: "MKDIR", path: "/tool/xenstored", value: "", peer: 0, inside: false, cuts: [] });
  }

  step(step: Step): void {
    const open = this.open[step.peer];
    if (step.name === "BEGIN") this.#begin(step.peer);
    else if (step.name === "COMMIT" || step.name === "DROP") this.#end(step);
    else if (open !== null && step.inside) {
      open.steps.push(step);
      open.answers.push(this.#ask(step, open.id));
    } else {
      expect(this.#ask(step, 0), JSON.stringify(step)).to.equal(this.model.answer(step));
      this.#changed(null);
    }
    expect(this.world.xenstored.dump()).to.equal(this.model.dump());
  }

  #begin(peer: 0 | 1): void {
    this.open[peer] ??= { id: this.peers[peer].begin(), steps: [], answers: [], foreign: 0 };
  }

  #end({ peer, name }: Step): void {
    const open = this.open[peer];
    if (open === null) return;
    this.open[peer] = null;
    const answer = this.peers[peer].answer("TRANSACTION_END", name === "COMMIT" ? "T|" : "F|", open.id);
    if (name === "DROP") expect(answer).to.equal("OK");
    else if (answer === "OK") this.#committed(open);
    else {
      expect(answer).to.equal("EAGAIN");
      expect(open.foreign, "a conflict with nobody").to.be.above(0);
      this.conflicts += 1;
    }
  }

  #committed(open: Open): void {
    expect(open.answers).to.deep.equal(open.steps.map((step) => this.model.answer(step)));
    this.commits += 1;
    this.#changed(open);
  }

  /** A write of the same value counts: it makes a new generation. */
  #changed(by: Open | null): void {
    for (const open of this.open) if (open !== null && open !== by) open.foreign += 1;
  }

  #ask({ peer, name, path, value, cuts }: Step, transaction: number): string {
    const sender: RawPeer = this.peers[peer];
    sender.taken();
    const payload = name === "WRITE" ? `${path}\0${value}` : `${path}\0`;
    const bytes = rawBytes({ type: typeNumber(name), id: 9, transaction, payload });
    let from = 0;
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      sender.connection.receive(bytes.subarray(from, cut));
      from = Math.max(from, Math.min(cut, bytes.length));
      this.world.settle();
    }
    sender.connection.receive(bytes.subarray(from));
    const [reply, ...more] = sender.taken();
    expect(more).to.deep.equal([]);
    return reply.slice(reply.indexOf(" ") + 1).replace(/^(OK|E[A-Z]+)\|$/, "$1");
  }
}

const part = fc.constantFrom("a", "b", "c");
const step: fc.Arbitrary<Step> = fc.record({
  peer: fc.constantFrom(0 as const, 1 as const),
  name: fc.constantFrom<Step["name"][]>(
    "READ",
    "DIRECTORY",
    "WRITE",
    "WRITE",
    "MKDIR",
    "RM",
    "BEGIN",
    "BEGIN",
    "COMMIT",
    "COMMIT",
    "DROP",
  ),
  path: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`),
  value: fc.constantFrom("1", "2", ""),
  inside: fc.boolean(),
  cuts: fc.array(fc.integer({ min: 0, max: 24 }), { maxLength: 3 }),
});

describe("xenstore against a model", () => {
  it("answers as nested maps would, and commits as if nothing ran beside", () => {
    let commits = 0;
    let conflicts = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const run = new Run();
        for (const each of steps) run.step(each);
        commits += run.commits;
        conflicts += run.conflicts;
      }),
      { numRuns: 150 },
    );
    expect(commits, "transactions committed").to.be.above(100);
    expect(conflicts, "conflicts seen").to.be.above(10);
  });

  it("conflicts only over what both touch", () => {
    const world = new World();
    const [one, two] = [world.tools(), world.tools()];
    for (const path of ["/l/x", "/r/x"]) one.ask("WRITE", `${path}|`);
    const pair = (first: string, second: string): string => {
      const ids = [one.begin(), two.begin()];
      const [name, payload] = second.split(" ");
      one.ask("WRITE", first, ids[0]);
      two.ask(name, payload, ids[1]);
      expect(one.answer("TRANSACTION_END", "T|", ids[0])).to.equal("OK");
      return two.answer("TRANSACTION_END", "T|", ids[1]);
    };
    expect(pair("/l/x|1", "WRITE /r/x|1")).to.equal("OK");
    expect(pair("/l/x|1", "WRITE /l|1")).to.equal("OK");
    expect(pair("/l/new|1", "WRITE /r/new|1")).to.equal("OK");
    expect(pair("/l/x|1", "READ /l/x|")).to.equal("EAGAIN");
    expect(pair("/l/new2|1", "DIRECTORY /l|")).to.equal("EAGAIN");
    expect(pair("/l/new3|1", "READ /l/new3|")).to.equal("EAGAIN");
    expect(pair("/l/new4|1", "WRITE /l/new5|1")).to.equal("EAGAIN");
  });
});
