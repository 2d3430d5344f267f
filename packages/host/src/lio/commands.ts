// Knows the commands that every place takes, and those of the root: how the tree is walked, looked at, set, saved and loaded.

import { ConfigError } from "@pvscsi/config";
import { configfsOf } from "./configfs.js";
import { type LioObject, type LioValue, listIn, printDump, readDump } from "./dump.js";
import { booleanWord, type LioCommand, LioError, type LioGroup, type Place, type Preferences } from "./node.js";
import type { ShellWork } from "./shell.js";
import { drawTree } from "./tree.js";

/** The same as what shells are made of, for a command that needs the shell itself. */
type ShellCommand = Omit<LioCommand, "run"> & {
  run(
    work: ShellWork,
    ...rest: Parameters<LioCommand["run"]> extends [unknown, ...infer Rest] ? Rest : never
  ): Promise<void> | void;
};

const SHELL_COMMANDS: readonly ShellCommand[] = [
  {
    name: "cd",
    parameters: ["path?"],
    summary: "goes to another place",
    run: (work, { path = "/" }, here) => work.enter(work.find(path, here)),
  },
  {
    name: "exit",
    parameters: [],
    summary: "leaves the shell",
    run: (work) => work.leave(),
  },
  {
    name: "get",
    parameters: ["group?"],
    more: "words",
    summary: "shows the groups of values there are, those of one, or some of them",
    run: (work, { group: name }, here, names) => {
      const all = groupsOf(here, work.preferences);
      if (name === undefined) return sayGroups(work, all);
      const group = groupNamed(all, name);
      for (const key of names.size > 0 ? names.keys() : group.names()) {
        if (!group.names().includes(key)) throw new LioError(`No parameter '${key}' in group '${name}'.`);
        work.say(`${key}=${group.get(key)} `);
      }
    },
  },
  {
    name: "help",
    parameters: ["topic?"],
    summary: "shows which commands there are, or what one does",
    run: (work, { topic }, here) => {
      const commands = work.commands(here);
      if (topic === undefined) {
        work.say(
          "AVAILABLE COMMANDS\n==================\nThe following commands are available in the\ncurrent path:\n",
        );
        for (const command of commands) work.say(`  - ${syntaxOf(command)}`);
        return;
      }
      const command = commands.find(({ name }) => name === topic);
      if (command === undefined) throw new LioError(`Cannot find help topic ${topic}.`);
      work.say(`SYNTAX\n======\n${syntaxOf(command)}\n\nDESCRIPTION\n===========\n${command.summary}`);
    },
  },
  {
    name: "info",
    parameters: [],
    summary: "shows what an object is",
    run: (work, _, { node }) => {
      const { node_wwn, ...fields } = node.object ?? {};
      for (const [name, value] of Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (typeof value !== "object" || value === null) work.say(`${name}: ${python(value)}`);
      }
      if (node_wwn !== undefined) work.say(`wwns:\n${node_wwn}`);
    },
  },
  {
    name: "ls",
    parameters: ["path?", "depth?"],
    summary: "draws the tree, to a depth where one is given",
    run: async (work, { path = ".", depth = "0" }, here) => {
      const place = work.find(path, here);
      if (!/^\d{1,4}$/.test(depth)) throw new LioError("The tree depth must be a number.");
      for (const line of await drawTree(place.node, work.width, Number(depth) || undefined)) work.say(line);
    },
  },
  {
    name: "pwd",
    parameters: [],
    summary: "shows the path of this place",
    run: (work, _, { path }) => work.say(path),
  },
  {
    name: "refresh",
    parameters: [],
    summary: "looks at everything anew, as each command does",
    run: () => {},
  },
  {
    name: "set",
    parameters: ["group?"],
    more: "pairs",
    summary: "sets values of a group",
    run: (work, { group: name }, here, values) => {
      const all = groupsOf(here, work.preferences);
      if (name === undefined) return sayGroups(work, all);
      const group = groupNamed(all, name);
      for (const [key, word] of values) {
        if (!group.names().includes(key)) throw new LioError(`Unknown parameter ${key} in group '${name}'.`);
        if (group.set === undefined) throw new LioError(`Parameter ${key} is read-only.`);
        group.set(key, valueGiven(group, key, word));
        work.say(`Parameter ${key} is now '${group.get(key)}'.`);
      }
    },
  },
  {
    name: "status",
    parameters: [],
    summary: "shows the line that ls has of this place",
    run: async (work, _, { node, path }) => work.say(`Status for ${path}: ${(await node.summary()).text}`),
  },
];

const ROOT_COMMANDS: readonly ShellCommand[] = [
  {
    name: "clearconfig",
    parameters: ["confirm?"],
    summary: "deletes everything",
    run: (work, { confirm }) => {
      if (!booleanWord(confirm, false)) throw new LioError("As a precaution, confirm=True needs to be set");
      work.dump = clearedOf(work.dump);
      work.say("All configuration cleared");
    },
  },
  {
    name: "configfs",
    parameters: ["directory"],
    summary: "writes the tree under a directory as Linux has it under /sys/kernel/config, for programs that read that",
    run: async (work, { directory = "" }) => {
      await work.files.plant(work.files.resolve(directory), await configfsOf(work.dump, work.files));
      work.say(`Tree written to ${work.files.resolve(directory)}/target`);
    },
  },
  {
    name: "restoreconfig",
    parameters: ["savefile?", "clear_existing?"],
    summary: "takes the configuration of a file",
    run: restore,
  },
  {
    name: "saveconfig",
    parameters: ["savefile?"],
    summary: "saves the configuration in a file",
    run: async (work, { savefile }) => {
      const file = savefile === undefined ? work.keeper.file : work.files.resolve(savefile);
      await work.keeper.write(file, printDump(work.dump));
      work.say(`Configuration saved to ${savefile ?? file}`);
    },
  },
];

/** Only the shell gives its commands work, and it is its own. */
const shellCommands = (commands: readonly ShellCommand[]): readonly LioCommand[] => commands as readonly LioCommand[];

/** The commands of every place. */
export const COMMON = shellCommands(SHELL_COMMANDS);

/** The commands of the root. */
export const ROOT = shellCommands(ROOT_COMMANDS);

async function restore(
  work: ShellWork,
  { savefile, clear_existing }: { [name: string]: string | undefined },
): Promise<void> {
  const file = savefile === undefined ? work.keeper.file : work.files.resolve(savefile);
  const text = await work.keeper.read(file);
  if (text === null) throw new LioError(`Restore file ${savefile ?? file} not found`);
  const config = readFile(text, file);
  const into = booleanWord(clear_existing, false) ? clearedOf(work.dump) : work.dump;
  checkNew(into, config);
  for (const key of ["storage_objects", "targets"]) into[key] = [...listIn(into, key), ...listIn(config, key)];
  work.dump = { ...into, ...config, storage_objects: into.storage_objects, targets: into.targets };
  work.say(`Configuration restored from ${savefile ?? file}`);
}

function readFile(text: string, file: string): LioObject {
  try {
    return readDump(text, file);
  } catch (error) {
    if (error instanceof ConfigError) throw new LioError(error.message);
    throw error;
  }
}

/** Nothing takes the place of what is there. */
function checkNew(there: LioObject, config: LioObject): void {
  for (const { plugin, name } of listIn(config, "storage_objects")) {
    const taken = listIn(there, "storage_objects").some((each) => each.plugin === plugin && each.name === name);
    if (taken) throw new LioError(`storageobject '${plugin}:${name}' exist not restoring`);
  }
  for (const { wwn } of listIn(config, "targets")) {
    const taken = listIn(there, "targets").some((each) => each.wwn === wwn);
    if (taken) throw new LioError(`target with wwn ${wwn} exist, not restoring`);
  }
}

function clearedOf(dump: LioObject): LioObject {
  return { ...dump, fabric_modules: [], storage_objects: [], targets: [] };
}

/** The groups of values of a place, with the shell's own. */
export function groupsOf({ node }: Place, preferences: Preferences): readonly LioGroup[] {
  const names = Object.keys(preferences) as (keyof Preferences)[];
  const global: LioGroup = {
    name: "global",
    type: "bool",
    names: () => names,
    get: (name) => String(preferences[name as keyof Preferences]),
    set: (name, value) => {
      preferences[name as keyof Preferences] = value === true;
    },
  };
  return [...node.groups, global];
}

function sayGroups(work: ShellWork, groups: readonly LioGroup[]): void {
  const names = groups.map(({ name }) => name).join(" ");
  work.say(`AVAILABLE CONFIGURATION GROUPS\n==============================\n${names}`);
}

function groupNamed(groups: readonly LioGroup[], name: string): LioGroup {
  const group = groups.find((each) => each.name === name);
  if (group === undefined) throw new LioError(`Unknown configuration group: ${name}`);
  return group;
}

function valueGiven({ type }: LioGroup, key: string, word: string): LioValue {
  if (type === "string") return word;
  if (type === "bool") return booleanWord(word, false);
  if (!/^\d{1,15}$/.test(word)) throw new LioError(`Not setting ${key}! Syntax error, '${word}' is not a NUMBER.`);
  return Number(word);
}

function syntaxOf({ name, parameters, more }: LioCommand): string {
  const words = parameters.map((parameter) => (parameter.endsWith("?") ? `[${parameter.slice(0, -1)}]` : parameter));
  const rest = more === undefined ? [] : [more === "words" ? "[parameter...]" : "[parameter=value...]"];
  return [name, ...words, ...rest].join(" ");
}

/** As Python prints it. */
function python(value: LioValue): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}
