// Knows what dom0 has of a domain that somebody starts elsewhere: what is to be typed there, and whether it has come.
// Knows no hypervisor.

import { hostname } from "node:os";
import { basename } from "node:path";

/**
 * The node in which a joined domain says that it runs. One that leaves before, for a mistake in what was typed, is to be
 * waited for again: it has done nothing yet.
 */
export const RUNS_NODE = "data/pvscsi";

/** Whether a domain has come, and from where. */
export class Elsewhere {
  /** Null as long as it is waited for. */
  address: string | null = null;
  /** Resolves when it has come. */
  readonly joined: Promise<void>;
  #came!: () => void;

  constructor() {
    this.joined = new Promise((resolve) => {
      this.#came = resolve;
    });
  }

  came(address: string): void {
    this.address = address;
    this.#came();
  }
}

/** What the other machine has to know of a domain; files by the paths they have here. */
export interface JoinWords {
  readonly url: string;
  readonly domain: number;
  readonly secret: string;
  readonly certificate: string | undefined;
  /** A driver domain's devices. */
  readonly host: string | undefined;
}

/** What is typed on the other machine, where copies of the files are. */
export function joinCommand({ url, domain, secret, certificate, host }: JoinWords): string {
  const files = Object.entries({ secret, certificate, host })
    .filter(([, path]) => path !== undefined)
    .flatMap(([name, path]) => [`--${name}`, shellWord(basename(path ?? ""))]);
  return ["pvscsi", "join", reachable(url), String(domain), ...files].join(" ");
}

/** Whether an address is this machine's alone. */
export function isLoopback(url: string): boolean {
  return /^(127\..*|\[::1\]|localhost)$/.test(new URL(url).hostname);
}

/** Where all addresses are listened on, the machine's name is one that others may know. */
function reachable(url: string): string {
  const { protocol, hostname: address, port } = new URL(url);
  return /^(0\.0\.0\.0|\[::\])$/.test(address) ? `${protocol}//${hostname()}:${port}` : url;
}

function shellWord(word: string): string {
  return /^[\w.,:/@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
