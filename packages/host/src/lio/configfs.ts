// Knows LIO's tree in Linux' configfs: which folders, files and links a configuration is there, and what stands in them. Writes nothing.

import { lunsOf, newPortGroup } from "./backstores.js";
import { fabricFolders } from "./configfs-fabrics.js";
import { isOn, type LioObject, listIn, objectIn } from "./dump.js";
import { FABRICS } from "./fabrics.js";
import { type FoundFile, LioError, type LioFiles, type TreeEntry } from "./node.js";
import { newAttributes } from "./storage-attributes.js";

/** The folder of LIO in configfs, to which links lead from the one above it. */
const TOP = "target";

/** Linux' name of each plugin, with which the folders of its devices begin. */
const PREFIXES: { readonly [plugin: string]: string } = {
  block: "iblock",
  fileio: "fileio",
  pscsi: "pscsi",
  ramdisk: "rd_mcp",
};

const PAGE = 4096;
const ACCESS_TYPES = ["None", "Implicit", "Explicit", "Implicit and Explicit"];
const ACCESS_STATUSES = ["None", "Altered by Explicit STPG", "Altered by Implicit ALUA"];

/** What is made of a configuration, folders before what is in them. */
export class ConfigfsTree {
  readonly entries: TreeEntry[] = [];
  readonly #places = new Set<string>();

  /** A folder in another; gives its path. Throws `LioError` for a name that no file can have, or that is there. */
  folder(parent: string, name: string): string {
    const path = this.#place(parent, name);
    this.entries.push({ kind: "folder", path });
    return path;
  }

  /** A file of one line, or several. */
  file(parent: string, name: string, text: string | number): void {
    this.entries.push({ kind: "file", path: this.#place(parent, name), text: `${text}\n` });
  }

  /** A folder with a file for each value. */
  values(parent: string, name: string, values: LioObject): void {
    const folder = this.folder(parent, name);
    for (const [key, value] of Object.entries(values)) this.file(folder, key, String(value ?? ""));
  }

  /** A link to a path of the tree, as the kernel writes it: by way of the folder above the top. */
  link(parent: string, name: string, to: string): void {
    const up = "../".repeat(parent.split("/").length);
    this.entries.push({ kind: "link", path: this.#place(parent, name), to: `${up}${to}` });
  }

  #place(parent: string, name: string): string {
    if (!/^[^/\0]{1,255}$/.test(name) || name === "." || name === "..") {
      throw new LioError(`${JSON.stringify(name)} cannot be the name of a file`);
    }
    const path = parent === "" ? name : `${parent}/${name}`;
    if (this.#places.has(path)) throw new LioError(`${path} is there already`);
    this.#places.add(path);
    return path;
  }
}

/** The tree of a configuration, from its top on. Throws `LioError` for what has no form in it. */
export async function configfsOf(dump: LioObject, files: Pick<LioFiles, "find">): Promise<readonly TreeEntry[]> {
  const tree = new ConfigfsTree();
  tree.folder("", TOP);
  const core = tree.folder(TOP, "core");
  const folders = new Map<LioObject, string>();
  // As rtslib counts them: each is alone on a bus of its own, whatever its plugin.
  for (const [index, object] of listIn(dump, "storage_objects").entries()) {
    folders.set(object, await storageFolder(tree, core, { dump, object, index, files }));
  }
  for (const { fabric, wwn } of listIn(dump, "targets")) {
    if (FABRICS.some(({ name }) => name === fabric)) continue;
    throw new LioError(`Target ${wwn} is of fabric ${fabric}, which this tree has not`);
  }
  fabricFolders(tree, dump, folders);
  return tree.entries;
}

interface Stored {
  readonly dump: LioObject;
  readonly object: LioObject;
  readonly index: number;
  readonly files: Pick<LioFiles, "find">;
}

async function storageFolder(tree: ConfigfsTree, core: string, stored: Stored): Promise<string> {
  const { object, index, files } = stored;
  const plugin = String(object.plugin);
  const prefix = PREFIXES[plugin];
  if (prefix === undefined)
    throw new LioError(`Storage object ${object.name} is of plugin ${plugin}, which this tree has not`);
  const bus = tree.folder(core, `${prefix}_${index}`);
  tree.file(bus, "hba_info", `HBA Index: ${index} plugin: ${prefix} version: v5.0`);
  const folder = tree.folder(bus, String(object.name));
  const found = typeof object.dev === "string" ? await files.find(object.dev) : null;
  const attributes = { ...newAttributes(plugin, isOn(object.write_back), false), ...objectIn(object, "attributes") };
  tree.file(folder, "enable", 1);
  tree.file(folder, "info", infoOf(stored, attributes, found));
  tree.file(folder, "udev_path", String(object.dev ?? ""));
  tree.values(folder, "attrib", attributes);
  tree.values(folder, "wwn", { vpd_unit_serial: `T10 VPD Unit Serial Number: ${object.wwn ?? ""}` });
  const alua = tree.folder(folder, "alua");
  if (plugin !== "pscsi") for (const group of portGroupsOf(object)) portGroupFolder(tree, alua, stored, group);
  return folder;
}

/** As the kernel has them: the default group is there also where the file has not listed it. */
function portGroupsOf(object: LioObject): LioObject[] {
  const listed = listIn(object, "alua_tpgs");
  if (listed.some(({ name }) => name === DEFAULT_GROUP)) return listed;
  return [newPortGroup(DEFAULT_GROUP, 0), ...listed];
}

const DEFAULT_GROUP = "default_tg_pt_gp";

function portGroupFolder(tree: ConfigfsTree, alua: string, { dump, object }: Stored, group: LioObject): void {
  const name = String(group.name);
  const { name: _, ...values } = { ...newPortGroup(name, Number(group.tg_pt_gp_id ?? 0)), ...group };
  const members = lunsOf(dump, object).filter(({ lun }) => (lun.alua_tg_pt_gp_name ?? DEFAULT_GROUP) === name);
  tree.values(alua, name, {
    ...values,
    alua_support_lba_dependent: 0,
    alua_access_status: wordAt(ACCESS_STATUSES, values.alua_access_status),
    alua_access_type: wordAt(ACCESS_TYPES, values.alua_access_type),
    members: members
      .map(({ target, group, lun }) => `${target.fabric}/${target.wwn}/tpgt_${group.tag}/lun_${lun.index}`)
      .join("\n"),
  });
}

function wordAt(words: readonly string[], value: LioObject[string]): string {
  return words[Number(value)] ?? words[0];
}

/** As Linux' target_core_show_dev_info prints it, and the plugin's own lines behind it. */
function infoOf({ dump, object, index }: Stored, attributes: LioObject, found: FoundFile | null): string {
  const status = lunsOf(dump, object).length > 0 ? "ACTIVATED" : "DEACTIVATED";
  const head = `Status: ${status}  Max Queue Depth: 0  SectorSize: ${attributes.block_size ?? 512}  HwMaxSectors: 16384`;
  const size = object.size ?? found?.size ?? 0;
  const lines: { readonly [plugin: string]: () => readonly string[] } = {
    block: () => blockLines(object, found),
    fileio: () => [
      `TCM FILEIO ID: ${index}`,
      `File: ${object.dev}  Size: ${size}  Mode: ${isOn(attributes.emulate_write_cache) ? "Buffered-WCE" : "O_DSYNC"} Async: ${isOn(object.aio) ? 1 : 0}`,
    ],
    pscsi: () => [],
    ramdisk: () => [
      `TCM RamDisk ID: ${index}  RamDisk Makeup: rd_mcp`,
      `PAGES/PAGE_SIZE: ${Math.max(1, Math.round(Number(size) / PAGE))}*${PAGE}  SG_table_count: 1  nullio: ${isOn(object.nullio) ? 1 : 0}`,
    ],
  };
  return [head, ...lines[String(object.plugin)]().map((line) => `        ${line}`)].join("\n");
}

/** A device that is not there now has no numbers. */
function blockLines(object: LioObject, found: FoundFile | null): string[] {
  const { name, major, minor } = found?.device ?? { name: "", major: 0, minor: 0 };
  const readOnly = isOn(object.readonly) ? 1 : 0;
  return [
    `iBlock device: ${name}  UDEV PATH: ${object.dev}  readonly: ${readOnly}`,
    `Major: ${major} Minor: ${minor}${name === "" ? "" : "  CLAIMED: IBLOCK"}`,
  ];
}
