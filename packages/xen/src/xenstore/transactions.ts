// Knows transactions: a private view of the tree, what it has touched, and when it may be committed.

import { outlived, type Permissions } from "./permissions.js";
import { recordSize } from "./quotas.js";
import { type Refusal, refuse } from "./refusal.js";
import type { NodeContent, NodeView, StoreNode, Tree } from "./tree.js";

/** The generation of a node that is not there. */
const MISSING = 0;

interface Touched {
  /** Of the tree's node when it was first touched. */
  readonly generation: number;
  before: Permissions | null;
  /** As the transaction sees it now. */
  node: StoreNode | null;
  modified: boolean;
  event: "none" | "exact" | "below";
}

/** A changed node: `exact` is for those only who watch this very path, `before` is who could read it. */
export type Change = [path: string, exact: boolean, before: Permissions | null];
/** Tells of a change. */
export type Announce = (...change: Change) => void;

/**
 * What one transaction sees: nodes as they were when it first touched them, plus its own changes. Whatever it touches,
 * if only to find it missing, must be unchanged in the tree at the end; a new node touches its parent.
 */
export class Transaction implements NodeView {
  readonly #tree: Tree;
  readonly #limit: number;
  /** In the order of first touch, which is the order of the events after a commit. */
  readonly #touched = new Map<string, Touched>();
  readonly #owned = new Map<number, number>();
  /** The request that is under way has wanted more nodes than the limit allows. */
  exhausted = false;
  #failed = false;
  #making = false;
  #doomed = false;
  /** What comes to each path: in 4.17 a node is kept under the transaction's number. */
  readonly #prefix: number;
  /** Bytes that its nodes take. */
  bytes = 0;

  /** A transaction that may touch at most `limit` nodes. */
  constructor(tree: Tree, limit: number) {
    this.#tree = tree;
    this.#limit = limit;
    this.#prefix = `${tree.nextGeneration()}/`.length;
  }

  read(path: string): StoreNode | null {
    return this.#touch(path).node;
  }

  put(path: string, { value, permissions, children }: NodeContent): void {
    const touched = this.#touch(path);
    this.#count(touched.node, -1);
    this.bytes -= this.#size(path, touched.node);
    touched.node = { value, permissions, children, generation: this.#tree.nextGeneration() };
    touched.modified = true;
    this.#count(touched.node, 1);
    this.bytes += this.#size(path, touched.node);
  }

  drop(path: string): void {
    const touched = this.#touch(path);
    this.#count(touched.node, -1);
    this.bytes -= this.#size(path, touched.node);
    touched.node = null;
    touched.modified = true;
  }

  /** Its own nodes count at its end only. */
  counted(domain: number): number {
    return this.#tree.owned(domain);
  }

  making(): void {
    this.#making = true;
  }

  spoil(): void {
    this.#failed = true;
  }

  /** How many bytes more it will have with that node. */
  growth(path: string, content: NodeContent): number {
    return this.#size(path, content) - this.#size(path, this.read(path));
  }

  /** Whether a domain would own `limit` or more of whose nodes it has made or removed some; asked only where it makes any. */
  owns(limit: number): boolean {
    if (!this.#making) return false;
    return [...this.#owned].some(([domain, more]) => domain !== 0 && this.#tree.owned(domain) + more >= limit);
  }

  /** Notes an event for after the commit: one a node, however often it is changed. */
  announce(path: string, exact: boolean): void {
    this.#touch(path).event = exact ? "exact" : "below";
  }

  /** `domain` is gone: its successor must inherit nothing. With a node that it owns here there is no commit. */
  outlive(domain: number): void {
    for (const touched of this.#touched.values()) {
      const { node, before } = touched;
      if (node?.permissions[0].domain === domain) this.#doomed = true;
      if (node !== null) touched.node = { ...node, permissions: outlived(node.permissions, domain) };
      if (before !== null) touched.before = outlived(before, domain);
    }
  }

  /** A request has wanted too many nodes or too large ones: it can only be dropped. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Applies all changes, then announces them; or changes nothing and says why. */
  commit(announce: Announce): Refusal | null {
    if (this.#doomed || !this.#unchanged()) return refuse("EAGAIN");
    for (const [path, { node, modified }] of this.#touched) {
      if (!modified) continue;
      if (node !== null) this.#tree.put(path, node);
      else this.#tree.drop(path);
    }
    for (const [path, { event, before }] of this.#touched) {
      if (event !== "none") announce(path, event === "exact", before);
    }
    return null;
  }

  #unchanged(): boolean {
    for (const [path, { generation }] of this.#touched) {
      if ((this.#tree.read(path)?.generation ?? MISSING) !== generation) return false;
    }
    return true;
  }

  #touch(path: string): Touched {
    let touched = this.#touched.get(path);
    if (touched === undefined) {
      const node = this.#tree.read(path);
      const generation = node?.generation ?? MISSING;
      touched = { generation, before: node?.permissions ?? null, node, modified: false, event: "none" };
      if (this.#touched.size >= this.#limit) {
        this.exhausted = true;
        this.#failed = true;
        return touched;
      }
      this.#touched.set(path, touched);
      this.bytes += this.#size(path, node);
    }
    return touched;
  }

  #size(path: string, content: NodeContent | null): number {
    return content === null ? 0 : this.#prefix + recordSize(path, content);
  }

  #count(node: StoreNode | null, change: number): void {
    if (node === null) return;
    const owner = node.permissions[0].domain;
    this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + change);
  }
}
