// Knows that each change of a node is paid for. Knows neither price nor purse.

import type { NodeContent, NodeView, StoreNode, Tree } from "./tree.js";

/** The tree, for an asker who pays. */
export class PaidTree implements NodeView {
  readonly #tree: Tree;
  readonly #pay: () => void;

  constructor(tree: Tree, pay: () => void) {
    this.#tree = tree;
    this.#pay = pay;
  }

  read(path: string): StoreNode | null {
    return this.#tree.read(path);
  }

  put(path: string, content: NodeContent): void {
    this.#pay();
    this.#tree.put(path, content);
  }

  drop(path: string): void {
    this.#pay();
    this.#tree.drop(path);
  }

  counted(domain: number, more: number): number {
    return this.#tree.counted(domain, more);
  }

  making(): void {}

  spoil(): void {}
}
