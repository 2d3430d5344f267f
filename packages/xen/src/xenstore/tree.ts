// Knows the nodes: an immutable record a path, its generation, and how many nodes each domain owns.
// Knows no rights, events or requests.

import { outlived, type Permissions, TOOLS_ONLY } from "./permissions.js";
import { recordSize } from "./quotas.js";

/** What a node holds. */
export interface NodeContent {
  readonly value: string;
  readonly permissions: Permissions;
  /** Names, in the order in which they were made. */
  readonly children: readonly string[];
}

export interface StoreNode extends NodeContent {
  /** Differs from that of every other content of any node. */
  readonly generation: number;
}

/** Nodes as a request sees them: the tree itself, or a transaction's view of it. */
export interface NodeView {
  read(path: string): StoreNode | null;
  put(path: string, content: NodeContent): void;
  /** Takes one node out; its parent's list of children is the caller's to change. */
  drop(path: string): void;
  /** How many nodes `domain` counts as owning once it has made `more`. */
  counted(domain: number, more: number): number;
  /** A request makes nodes, or tries to. */
  making(): void;
  /** A write was refused for its size, or only some nodes could be made. */
  spoil(): void;
}

/** All nodes. Records are never changed, only replaced: who has read one keeps what it read. */
export class Tree implements NodeView {
  readonly #nodes = new Map<string, StoreNode>();
  readonly #owned = new Map<number, { nodes: number; bytes: number }>();
  #generation = 0;

  /** The tree of a fresh xenstored. */
  constructor() {
    this.put("/", { value: "", permissions: TOOLS_ONLY, children: ["tool"] });
    this.put("/tool", { value: "", permissions: TOOLS_ONLY, children: ["xenstored"] });
    this.put("/tool/xenstored", { value: "", permissions: TOOLS_ONLY, children: [] });
  }

  get root(): StoreNode {
    return this.#nodes.get("/") as StoreNode;
  }

  /** A number no content had so far. */
  nextGeneration(): number {
    this.#generation += 1;
    return this.#generation;
  }

  read(path: string): StoreNode | null {
    return this.#nodes.get(path) ?? null;
  }

  put(path: string, { value, permissions, children }: NodeContent): void {
    this.#count(path, -1);
    this.#nodes.set(path, { value, permissions, children, generation: this.nextGeneration() });
    this.#count(path, 1);
  }

  drop(path: string): void {
    this.#count(path, -1);
    this.#nodes.delete(path);
  }

  /** Permissions for `domain`, who owns nothing any more, hold no longer. The contents are not new for that. */
  outlive(domain: number): void {
    for (const [path, node] of this.#nodes) {
      const permissions = outlived(node.permissions, domain);
      if (permissions !== node.permissions) this.#nodes.set(path, { ...node, permissions });
    }
  }

  counted(domain: number, more: number): number {
    return this.owned(domain) + more;
  }

  making(): void {}

  /** Nothing is changed then. */
  spoil(): void {}

  /** How many nodes `domain` owns. */
  owned(domain: number): number {
    return this.#owned.get(domain)?.nodes ?? 0;
  }

  /** How many bytes they take. */
  bytes(domain: number): number {
    return this.#owned.get(domain)?.bytes ?? 0;
  }

  #count(path: string, change: 1 | -1): void {
    const node = this.#nodes.get(path);
    if (node === undefined) return;
    const owner = node.permissions[0].domain;
    const nodes = this.owned(owner) + change;
    const bytes = this.bytes(owner) + change * recordSize(path, node);
    if (nodes === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, { nodes, bytes });
  }
}
