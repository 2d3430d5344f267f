// Knows targetcli's shell over a configuration that is kept somewhere: runs lines, one after another, and has a current place.

import { ConfigError } from "@pvscsi/config";
import { bindWords, parseLine } from "./command-line.js";
import { COMMON, groupsOf, ROOT } from "./commands.js";
import { completionsOf } from "./completion.js";
import { emptyDump, printDump, readDump } from "./dump.js";
import {
  type LioCommand,
  LioError,
  type LioFiles,
  type LioNames,
  type LioNode,
  type LioWork,
  type Place,
  type Preferences,
} from "./node.js";
import { findPlace, rootOf } from "./tree.js";

/** Where configurations are kept, as text. */
export interface LioKeeper {
  /** The configuration that the shell edits, and where `saveconfig` without a file puts it. */
  readonly file: string;
  /** Null where there is none. */
  read(file: string): Promise<string | null>;
  write(file: string, text: string): Promise<void>;
}

export interface LioShellOptions {
  readonly keeper: LioKeeper;
  readonly files: LioFiles;
  readonly names: LioNames;
  /** Takes each line that is told. */
  readonly say: (line: string) => void;
  /** Columns of the terminal. */
  readonly width: () => number;
}

/** What commands of the shell itself work with. */
export interface ShellWork extends LioWork {
  readonly keeper: LioKeeper;
  readonly width: number;
  enter(place: Place): void;
  leave(): void;
  /** The commands of a place: its own, and those of every place. */
  commands(place: Place): readonly LioCommand[];
}

/** The shell; each line finds the configuration as it is kept, and keeps what it has changed. */
export class LioShell {
  readonly #options: LioShellOptions;
  readonly #preferences: Preferences = {
    auto_add_default_portal: true,
    auto_add_mapped_luns: true,
    auto_cd_after_create: false,
    auto_enable_tpgt: true,
    export_backstore_name_as_model: true,
  };
  #path = "/";
  #left = false;

  constructor(options: LioShellOptions) {
    this.#options = options;
  }

  /** Whether `exit` was typed. */
  get left(): boolean {
    return this.#left;
  }

  /** A path of more than 30 characters is shown by its ends. */
  get prompt(): string {
    const path = this.#path.length <= 30 ? this.#path : `${this.#path.slice(0, 13)}...${this.#path.slice(-13)}`;
    return `${path}> `;
  }

  /** Runs a line; gives what went wrong, null where nothing did. Nothing of a line that went wrong is kept or told. Throws `ConfigError` for what is kept. */
  async run(line: string): Promise<string | null> {
    if (/^\s*(#|$)/.test(line)) return null;
    const said: string[] = [];
    const { work, root, before } = await this.#open((line) => said.push(line));
    try {
      await runLine(work, root, this.#here(root), line);
      await this.#keep(work, before);
      for (const told of said) this.#options.say(told);
      return null;
    } catch (error) {
      if (error instanceof LioError) return error.message;
      throw error;
    }
  }

  /** What could stand in the place of the last word of a line. */
  async complete(line: string): Promise<readonly string[]> {
    const { work, root } = await this.#open(() => {});
    return completionsOf(
      {
        here: this.#here(root),
        find: work.find,
        commands: work.commands,
        groups: (place) => groupsOf(place, this.#preferences),
      },
      line,
    );
  }

  async #open(say: LioWork["say"]): Promise<{ work: ShellWork; root: Place; before: string }> {
    const { keeper, files, names } = this.#options;
    const kept = await keeper.read(keeper.file);
    const dump = kept === null ? emptyDump() : readDump(kept, keeper.file);
    const work: ShellWork = {
      dump,
      files,
      names,
      keeper,
      say,
      preferences: this.#preferences,
      width: this.#options.width(),
      find: (path, from) => findPlace(rootOf(work, ROOT), from, path),
      made: (path) => this.#made(path, say),
      enter: ({ path }) => {
        this.#path = path;
      },
      leave: () => {
        this.#left = true;
      },
      commands: ({ node }) => commandsOf(node),
    };
    return { work, root: rootOf(work, ROOT), before: printDump(dump) };
  }

  #made(path: string, say: LioWork["say"]): void {
    if (!this.#preferences.auto_cd_after_create) return;
    say(`Entering new node ${path}`);
    this.#path = path;
  }

  /** What the current place was may be gone: then the nearest that is left. */
  #here(root: Place): Place {
    for (;;) {
      try {
        return findPlace(root, root, this.#path);
      } catch (error) {
        if (!(error instanceof LioError)) throw error;
        this.#path = this.#path.slice(0, this.#path.lastIndexOf("/")) || "/";
      }
    }
  }

  /** What could not be read again is not kept. */
  async #keep({ dump, keeper }: ShellWork, before: string): Promise<void> {
    const text = printDump(dump);
    if (text === before) return;
    try {
      readDump(text, keeper.file);
    } catch (error) {
      if (error instanceof ConfigError) throw new LioError(error.reason);
      throw error;
    }
    await keeper.write(keeper.file, text);
  }
}

function commandsOf(node: LioNode): readonly LioCommand[] {
  const own = new Set(node.commands.map(({ name }) => name));
  const common = COMMON.filter(({ name }) => !own.has(name) && (name !== "info" || node.object !== undefined));
  return [...node.commands, ...common].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function runLine(work: ShellWork, root: Place, here: Place, line: string): Promise<void> {
  const parsed = parseLine(line);
  const place = findPlace(root, here, parsed.path);
  if (parsed.command === "") return work.enter(place);
  const command = commandsOf(place.node).find(({ name }) => name === parsed.command);
  if (command === undefined) throw new LioError(`Command not found ${parsed.command}`);
  const { given, rest } = bindWords(command, parsed);
  await command.run(work, given, place, rest);
}
