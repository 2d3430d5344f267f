// Knows what dom0 keeps of each domain in STATE/domains: the secret it is known by, what it prints, its socket, and what
// it was made of, from which the next dom0 makes it again. Knows no hypervisor.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type MachineConfig, parseMachineConfig, printMachineConfig, type VscsiDialect } from "@pvscsi/config";
import { ToolstackError } from "@pvscsi/toolstack";
import type { DomainId } from "@pvscsi/xen";
import { readSecret, secretText } from "./secret-file.js";

/** The first number that no domain has: Xen has other uses for it (DOMID_FIRST_RESERVED). */
export const RESERVED = 0x7ff0;

/** A file of a domain. */
type Kind = "secret" | "log" | "json";

/** NAME.json. */
interface Kept {
  /** Where it was read from. */
  readonly file: string;
  readonly dialect: VscsiDialect;
  readonly text: string;
  /** The number of one that is started elsewhere. */
  readonly elsewhere?: unknown;
}

/** A domain of the dom0 before. */
export interface KeptDomain {
  readonly config: MachineConfig;
  /** Null for one whose process is started here. */
  readonly elsewhere: DomainId | null;
}

export class DomainFiles {
  readonly #folder: string;

  constructor(state: string) {
    this.#folder = join(state, "domains");
  }

  async make(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  path({ name }: MachineConfig, kind: Kind): string {
    return join(this.#folder, `${encodeURIComponent(name)}.${kind}`);
  }

  /** Where a domain's process takes commands. */
  socket(id: DomainId): string {
    return join(this.#folder, `${id}.sock`);
  }

  async writeSecret(config: MachineConfig, secret: Uint8Array): Promise<void> {
    await writeFile(this.path(config, "secret"), secretText(secret), { mode: 0o600 });
  }

  readSecret(config: MachineConfig): Promise<Buffer> {
    return readSecret(this.path(config, "secret"));
  }

  async keep(config: MachineConfig, elsewhere: DomainId | null): Promise<void> {
    const { file, dialect } = config;
    const kept: Kept = { file: resolve(file), dialect, text: printMachineConfig(config) };
    const more = elsewhere === null ? {} : { elsewhere };
    await writeFile(this.path(config, "json"), JSON.stringify({ ...kept, ...more }), { mode: 0o600 });
  }

  async remove(config: MachineConfig, kind: Kind): Promise<void> {
    await rm(this.path(config, kind), { force: true });
  }

  /** The names of what was kept, for `read`. */
  async kept(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => name.endsWith(".json")).sort();
  }

  /** Throws where there is no domain in it. */
  async read(name: string): Promise<KeptDomain> {
    const { file, dialect, text, elsewhere } = JSON.parse(await readFile(join(this.#folder, name), "utf8")) as Kept;
    const config = parseMachineConfig(text, { file, dialect });
    if (elsewhere === undefined) return { config, elsewhere: null };
    if (!Number.isInteger(elsewhere) || !(Number(elsewhere) > 0 && Number(elsewhere) < RESERVED)) {
      throw new ToolstackError("FAIL", `no domain has the number ${JSON.stringify(elsewhere)}`);
    }
    return { config, elsewhere: Number(elsewhere) };
  }
}
