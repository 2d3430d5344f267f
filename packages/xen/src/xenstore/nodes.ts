// Knows what reading, making, changing and removing a node takes: rights, parents, quotas, and whom to tell.
// Knows no messages; works alike on the tree and in a transaction.

import type { Writes } from "./memory.js";
import { childOf, nameOf, parentOf } from "./paths.js";
import { Access, type Asker, accessOf, inherited, mayRead, type Permissions } from "./permissions.js";
import { nodeSize, type Quotas } from "./quotas.js";
import { Refusal, refuse } from "./refusal.js";
import type { Announce } from "./transactions.js";
import type { NodeContent, NodeView, StoreNode } from "./tree.js";

/** Nodes as one asker may use them. All paths are valid and absolute. */
export class NodeAccess {
  readonly #view: NodeView;
  readonly #asker: Asker;
  readonly #quotas: Quotas;
  readonly #announce: Announce;
  readonly #firstBeyond: (writes: Writes) => number;

  /** `firstBeyond` tells for which of what is to be written there is no memory; -1 for none. */
  constructor(
    view: NodeView,
    asker: Asker,
    quotas: Quotas,
    announce: Announce,
    firstBeyond: (writes: Writes) => number,
  ) {
    this.#view = view;
    this.#asker = asker;
    this.#quotas = quotas;
    this.#announce = announce;
    this.#firstBeyond = firstBeyond;
  }

  /**
   * The node, if the asker has all of `need`, bits of Access. That a node is missing is told only to those who have it
   * at the nearest node above; all others get EACCES. That one is looked at for a node that may not be used as well, which
   * matters in a transaction.
   */
  find(path: string, need: number): StoreNode | Refusal {
    const node = this.#view.read(path);
    if (node !== null && (accessOf(node.permissions, this.#asker) & need) === need) return node;
    const { ancestor } = this.#nearest(path);
    const mayKnow = (accessOf(ancestor.permissions, this.#asker) & need) !== 0;
    return refuse(node === null && mayKnow ? "ENOENT" : "EACCES");
  }

  /** Sets the value; a missing node is made, with all that is missing above it. */
  write(path: string, value: string): Refusal | null {
    const node = this.find(path, Access.write);
    if (node instanceof Refusal) return node.errno === "ENOENT" ? this.#create(path, value) : node;
    const content = { ...node, value };
    const refused = this.#refuseWrite(path, content);
    if (refused !== null) return refused;
    this.#view.put(path, content);
    this.#announce(path, false, null);
    return null;
  }

  /** Makes an empty node; one that is there stays as it is, and nobody is told. */
  makeDirectory(path: string): Refusal | null {
    const node = this.find(path, Access.write);
    if (!(node instanceof Refusal)) return null;
    return node.errno === "ENOENT" ? this.#create(path, "") : node;
  }

  /** Removes a node and all below it. A missing one is no failure if its parent is there. */
  remove(path: string): Refusal | null {
    const node = this.find(path, Access.write);
    if (node instanceof Refusal) {
      return node.errno === "ENOENT" && this.#view.read(parentOf(path)) !== null ? null : node;
    }
    if (path === "/") return refuse("EINVAL");
    const parent = this.#view.read(parentOf(path));
    return parent === null ? refuse("EINVAL") : this.removeTree(path, node, parent);
  }

  /**
   * Removes without asking for rights. Those who watch a node below are told of just that node, deepest first; the
   * event of `path` comes last. Each is sent while the nodes still say who may read them. Where a parent and its children do
   * not agree, which is seen only in a transaction that cannot be committed any more, it ends with EIO half done, as 4.17's.
   */
  removeTree(path: string, node: StoreNode, parent: StoreNode): Refusal | null {
    const refused = this.#dropBelow(path, node);
    if (refused !== null) return refused;
    this.#announce(path, false, null);
    this.#view.drop(path);
    const at = parent.children.indexOf(nameOf(path));
    if (at < 0) return refuse("EIO");
    const children = [...parent.children.slice(0, at), ...parent.children.slice(at + 1)];
    this.#view.put(parentOf(path), { ...parent, children });
    return null;
  }

  /** Replaces the permission list; only privileged askers may name another owner. */
  setPermissions(path: string, permissions: Permissions): Refusal | null {
    const node = this.find(path, Access.write | Access.owner);
    if (node instanceof Refusal) return node;
    const keepsOwner = permissions[0].domain === node.permissions[0].domain;
    if (!keepsOwner && !this.#asker.privileged) return refuse("EPERM");
    const content = { ...node, permissions };
    const refused = this.#refuseWrite(path, content);
    if (refused !== null) return refused;
    this.#view.put(path, content);
    this.#announce(path, false, node.permissions);
    return null;
  }

  /** As deep as a path can be: 1024 nodes for a path of 2048 characters. */
  #dropBelow(path: string, node: StoreNode): Refusal | null {
    for (const [index, name] of node.children.entries()) {
      const child = childOf(path, name);
      const below = this.#view.read(child);
      const refused = below === null ? refuse("EIO") : this.#dropBelow(child, below);
      if (refused !== null) return refused;
      this.#announce(child, true, null);
      this.#view.drop(child);
      this.#view.put(path, { ...node, children: node.children.slice(index + 1) });
    }
    return null;
  }

  #create(path: string, value: string): Refusal | null {
    const made: [string, NodeContent][] = [];
    const { missing, above, ancestor } = this.#nearest(path);
    const permissions = inherited(ancestor.permissions, this.#asker);
    let children: string[] = [];
    for (const at of missing) {
      made.push([at, { value: at === path ? value : "", permissions, children }]);
      children = [nameOf(at)];
    }
    made.push([above, { ...ancestor, children: [...ancestor.children, ...children] }]);
    this.#view.making();
    const refused = this.#refuseNodes(made);
    if (refused !== null) return refused;
    for (const [at, content] of made) this.#view.put(at, content);
    this.#announce(path, false, null);
    return null;
  }

  /** The nearest node above a missing one, and the paths from `path` up to it, without it. */
  #nearest(path: string): { missing: string[]; above: string; ancestor: StoreNode } {
    const missing = [path];
    for (;;) {
      const above = parentOf(missing[missing.length - 1]);
      const ancestor = this.#view.read(above);
      if (ancestor !== null) return { missing, above, ancestor };
      missing.push(above);
    }
  }

  #refuseWrite(path: string, content: NodeContent): Refusal | null {
    const refused = this.#tooLarge(content) ? "ENOSPC" : this.#firstBeyond([[path, content]]) < 0 ? null : "ENOMEM";
    if (refused === null) return null;
    this.#view.spoil();
    return refuse(refused);
  }

  /** New nodes, the last of all excepted, in the order in which they are made: the first that cannot be is told of. */
  #refuseNodes(made: Writes): Refusal | null {
    const last = made.length - 1;
    const reasons = [
      { first: made.findIndex((_, index) => index < last && this.#tooMany(index)), errno: "ENOSPC", spoils: false },
      { first: made.findIndex(([, content]) => this.#tooLarge(content)), errno: "ENOSPC", spoils: true },
      { first: this.#firstBeyond(made), errno: "ENOMEM", spoils: true },
    ] as const;
    const [reason] = reasons.filter(({ first }) => first >= 0).sort((a, b) => a.first - b.first);
    if (reason === undefined) return null;
    if (reason.spoils || reason.first > 0) this.#view.spoil();
    return refuse(reason.errno);
  }

  /** For one more than `made`. */
  #tooMany(made: number): boolean {
    const { domain, privileged } = this.#asker;
    return this.#view.counted(domain, made) >= this.#quotas.nodes && !privileged;
  }

  #tooLarge(content: NodeContent): boolean {
    return !this.#asker.privileged && nodeSize(content) >= this.#quotas["node-size"];
  }
}

/**
 * Whether `asker` may know of a change: it could read the node before, can read it now, or reads its parent.
 * Nothing is told of a node that is gone unless it was readable (XSA-115).
 */
export function mayKnow(view: NodeView, path: string, before: Permissions | null, asker: Asker): boolean {
  if (before !== null && mayRead(before, asker)) return true;
  const node = view.read(path);
  if (node === null) return false;
  if (mayRead(node.permissions, asker)) return true;
  const parent = path === "/" ? null : view.read(parentOf(path));
  return parent !== null && mayRead(parent.permissions, asker);
}
