// Knows what could stand in the place of the last word of a line, as configshell and targetcli offer it.

import { type LioObject, listIn } from "./dump.js";
import { type LioCommand, LioError, type LioGroup, type LioNode, type Place } from "./node.js";

/** What completion asks of the shell. */
export interface Completing {
  /** Where the shell is. */
  readonly here: Place;
  /** The place of a path; throws `LioError` where there is none. */
  find(path: string, from: Place): Place;
  /** The commands of a place, with those of every place. */
  commands(place: Place): readonly LioCommand[];
  groups(place: Place): readonly LioGroup[];
}

/** A word of a command that is being typed. */
interface Typed {
  readonly shell: Completing;
  readonly place: Place;
  readonly command: LioCommand;
  readonly last: string;
  /** The words before it that are no `name=value`. */
  readonly words: readonly string[];
}

/** The words that fit; one that stands alone ends with a blank, unless it goes on with `/` or `=`. */
export function completionsOf(shell: Completing, line: string): readonly string[] {
  const words = line.trimStart().split(/\s+/);
  const last = words.pop() ?? "";
  try {
    const onPath = words.length > 0 && /[/.]/.test(words[0]);
    const place = onPath ? shell.find(words[0], shell.here) : shell.here;
    const [name, ...rest] = onPath ? words.slice(1) : words;
    const commands = shell.commands(place);
    if (name === undefined) {
      const fitting = ended(fit(last, namesOf(commands)));
      return onPath ? fitting : [...fitting, ...fit(last, paths(shell, place, last))];
    }
    const command = commands.find((each) => each.name === name);
    return command === undefined ? [] : ofCommand({ shell, place, command, last, words: rest });
  } catch (error) {
    if (error instanceof LioError) return [];
    throw error;
  }
}

function ofCommand(typed: Typed): readonly string[] {
  const { command, last, words } = typed;
  const bare = words.filter((word) => !word.includes("="));
  const given = new Set(words.map((word) => word.split("=")[0]));
  const names = command.parameters.map((name) => name.replace("?", ""));
  const next = names[bare.length];
  const values =
    next === undefined ? more(typed, bare) : (VALUES[next]?.(typed) ?? (isDelete(typed) ? idsOf(typed, next) : []));
  const pairs = names.slice(bare.length).filter((name) => !given.has(name));
  return [
    ...ended(fit(last, values)),
    ...fit(
      last,
      pairs.map((name) => `${name}=`),
    ),
  ];
}

/** What follows the name of a group: its values, for `set` with what they are to be. */
function more({ shell, place, command }: Typed, [name]: readonly string[]): readonly string[] {
  if (command.more === undefined) return [];
  const values =
    shell
      .groups(place)
      .find((group) => group.name === name)
      ?.names() ?? [];
  return command.more === "pairs" ? values.map((value) => `${value}=`) : values;
}

const VALUES: { readonly [parameter: string]: (typed: Typed) => readonly string[] } = {
  group: ({ shell, place }) => namesOf(shell.groups(place)),
  path: ({ shell, place, last }) => paths(shell, place, last),
  storage_object: ({ shell }) => storagePaths(shell),
  topic: ({ shell, place }) => namesOf(shell.commands(place)),
  tpg_lun_or_backstore: ({ shell, place }) => [...storagePaths(shell), ...lunsBeside(shell, place)],
};

function isDelete({ command }: Typed): boolean {
  return command.name === "delete";
}

/** How the objects of a place are called by whoever deletes them. */
const IDS: { readonly [parameter: string]: (object: LioObject, node: LioNode) => LioObject[string] } = {
  name: ({ name }) => name,
  wwn: ({ node_wwn }, { name }) => node_wwn ?? name,
  tag: ({ tag }) => tag,
  lun: ({ index }) => index,
  mapped_lun: ({ index }) => index,
  ip_address: ({ ip_address }) => String(ip_address).replaceAll(/[[\]]/g, ""),
  ip_port: ({ port }) => port,
};

function idsOf({ place }: Typed, parameter: string): readonly string[] {
  const idOf = IDS[parameter];
  return idOf === undefined ? [] : place.node.children().map((node) => String(idOf(node.object ?? {}, node)));
}

/** The LUNs of the portal group that an ACL is of. */
function lunsBeside(shell: Completing, place: Place): readonly string[] {
  const { object } = shell.find("../..", place).node;
  return listIn(object ?? {}, "luns").map(({ index }) => `lun${index}`);
}

function storagePaths(shell: Completing): readonly string[] {
  const { node } = shell.find("/backstores", shell.here);
  return node.children().flatMap((plugin) => plugin.children().map(({ name }) => `/backstores/${plugin.name}/${name}`));
}

function paths(shell: Completing, from: Place, last: string): readonly string[] {
  const folder = last.slice(0, last.lastIndexOf("/") + 1);
  return namesOf(shell.find(folder, from).node.children()).map((name) => `${folder}${name}/`);
}

function namesOf(all: readonly { readonly name: string }[]): readonly string[] {
  return all.map(({ name }) => name);
}

function fit(last: string, words: readonly string[]): readonly string[] {
  return words.filter((word) => word.startsWith(last));
}

function ended(words: readonly string[]): readonly string[] {
  return words.length === 1 && !/[/=]$/.test(words[0]) ? [`${words[0]} `] : words;
}
