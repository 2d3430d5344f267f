// Knows `/backstores`: storage objects and their target port groups, how they are made, shown and deleted. Knows no fabric's rules.

import { addTo, isOn, type LioObject, listIn, removeFrom } from "./dump.js";
import {
  booleanWord,
  count,
  type Given,
  groupOf,
  type LioCommand,
  LioError,
  type LioNode,
  type LioWork,
  numberWord,
  type Place,
  type Summary,
} from "./node.js";
import { bytesOf, humanSize } from "./sizes.js";
import { newAttributes } from "./storage-attributes.js";

/** The plugins that the tree has, in its order. */
export const PLUGINS = ["block", "fileio", "pscsi", "ramdisk"] as const;
type Plugin = (typeof PLUGINS)[number];

const PAGE = 4096;

export function backstores(work: LioWork): LioNode {
  return {
    name: "backstores",
    commands: [],
    groups: [],
    summary: () => ({ text: "", healthy: null }),
    children: () => PLUGINS.map((plugin) => backstore(work, plugin)),
  };
}

function backstore(work: LioWork, plugin: Plugin): LioNode {
  const objects = () => listIn(work.dump, "storage_objects").filter((object) => object.plugin === plugin);
  return {
    name: plugin,
    commands: [CREATE[plugin], DELETE],
    groups: [],
    summary: () => count("Storage Objects", objects().length),
    children: () => objects().map((object) => storageNode(work, object)),
  };
}

function storageNode(work: LioWork, object: LioObject): LioNode {
  return {
    name: String(object.name),
    object,
    commands: [],
    groups: [groupOf("attribute", object, { type: "number", within: "attributes" })],
    summary: () => storageSummary(work, object),
    children: () => (object.plugin === "pscsi" ? [] : [portGroups(object)]),
  };
}

async function storageSummary(work: LioWork, object: LioObject): Promise<Summary> {
  const status = lunsOf(work.dump, object).length > 0 ? "activated" : "deactivated";
  const size = typeof object.size === "number" ? object.size : await deviceSize(work, object);
  const caching = isOn(object.write_back) ? "write-back" : "write-thru";
  const readOnly = isOn(object.readonly) ? "ro " : "";
  const text = {
    block: `${object.dev} (${humanSize(size)}) ${readOnly}${caching} ${status}`,
    fileio: `${object.dev} (${humanSize(size)}) ${caching} ${status}`,
    pscsi: `${object.dev} ${status}`,
    ramdisk: `${isOn(object.nullio) ? "nullio " : ""}(${humanSize(size)}) ${status}`,
  }[object.plugin as Plugin];
  return { text, healthy: true };
}

async function deviceSize(work: LioWork, { dev }: LioObject): Promise<number> {
  return typeof dev === "string" ? ((await work.files.find(dev))?.size ?? 0) : 0;
}

/** `/backstores/PLUGIN/NAME`, as LUNs say which is theirs. */
export function pathOf({ plugin, name }: LioObject): string {
  return `/backstores/${plugin}/${name}`;
}

/** A LUN, and of which portal group of which target it is. */
export interface PlacedLun {
  readonly target: LioObject;
  readonly group: LioObject;
  readonly lun: LioObject;
}

/** Every LUN of a storage object. */
export function lunsOf(dump: LioObject, object: LioObject): PlacedLun[] {
  const groups = listIn(dump, "targets").flatMap((target) =>
    listIn(target, "tpgs").map((group) => ({ target, group })),
  );
  return groups.flatMap(({ target, group }) =>
    listIn(group, "luns")
      .filter((lun) => lun.storage_object === pathOf(object))
      .map((lun) => ({ target, group, lun })),
  );
}

/** Takes a LUN from its group, and from every initiator that it is mapped for. */
export function removeLun(group: LioObject, lun: LioObject): void {
  for (const acl of listIn(group, "node_acls")) {
    for (const mapped of listIn(acl, "mapped_luns")) {
      if (mapped.tpg_lun === lun.index) removeFrom(acl, "mapped_luns", mapped);
    }
  }
  removeFrom(group, "luns", lun);
}

const DELETE: LioCommand = {
  name: "delete",
  parameters: ["name", "save?"],
  summary: "deletes a storage object, and every LUN of it",
  run: (work, { name = "" }, { node }) => {
    const all = listIn(work.dump, "storage_objects");
    const object = all.find((each) => each.plugin === node.name && each.name === name);
    if (object === undefined) throw new LioError(`No storage object named ${name}.`);
    for (const { group, lun } of lunsOf(work.dump, object)) removeLun(group, lun);
    removeFrom(work.dump, "storage_objects", object);
    work.say(`Deleted storage object ${name}.`);
  },
};

const CREATE: { readonly [P in Plugin]: LioCommand } = {
  block: {
    name: "create",
    parameters: ["name", "dev", "readonly?", "wwn?", "exclusive?", "write_back?"],
    summary: "makes a storage object of a block device",
    run: async (work, given, here) => {
      const dev = given.dev ?? "";
      const found = await work.files.find(work.files.resolve(dev));
      if (found === null) throw new LioError(`Could not open ${dev}`);
      if (found.kind !== "block") throw new LioError(`Device ${dev} is not a TYPE_DISK block device`);
      await checkFree(work, dev, found.identity);
      const more = {
        dev: work.files.resolve(dev),
        readonly: booleanWord(given.readonly, found.readOnly),
        exclusive: booleanWord(given.exclusive, true),
        write_back: booleanWord(given.write_back, false),
      };
      add(work, "block", given, more);
      work.say(`Created block storage object ${given.name} using ${dev}.`);
      work.made(`${here.path}/${given.name}`);
    },
  },
  fileio: {
    name: "create",
    parameters: ["name", "file_or_dev", "size?", "write_back?", "sparse?", "wwn?"],
    summary: "makes a storage object of a file, which is made where its size is given, or of a block device",
    run: createFile,
  },
  pscsi: {
    name: "create",
    parameters: ["name", "dev"],
    summary: "passes a SCSI device through, named by its path",
    run: async (work, given, here) => {
      const dev = given.dev ?? "";
      const found = await work.files.find(work.files.resolve(dev));
      if (found === null) {
        throw new LioError(`Cannot find SCSI device by path, and dev parameter not in H:C:T:L format: ${dev}`);
      }
      if (found.kind === "block") work.say("Note: block backstore recommended for SCSI block devices");
      add(work, "pscsi", given, { dev: work.files.resolve(dev) });
      work.say(`Created pscsi storage object ${given.name} using ${dev}`);
      work.made(`${here.path}/${given.name}`);
    },
  },
  ramdisk: {
    name: "create",
    parameters: ["name", "size", "nullio?", "wwn?"],
    summary: "makes a storage object in memory",
    run: (work, given, here) => {
      const { name, size = "" } = given;
      const pages = Math.max(1, Math.round(bytesOf(size) / PAGE));
      const nullio = booleanWord(given.nullio, false);
      add(work, "ramdisk", given, { size: pages * PAGE, ...(nullio ? { nullio } : {}) });
      work.say(`Created ramdisk ${name} with size ${size}.`);
      work.made(`${here.path}/${name}`);
    },
  },
};

async function createFile(work: LioWork, given: Given, here: Place): Promise<void> {
  const { name = "", file_or_dev: path = "" } = given;
  const [sparse, writeBack] = [booleanWord(given.sparse, true), booleanWord(given.write_back, true)];
  const dev = work.files.resolve(path);
  const found = await work.files.find(dev);
  let size = found?.size ?? 0;
  if (found === null) {
    if (!given.size) throw new LioError("Attempting to create file for new fileio backstore, need a size");
    size = bytesOf(given.size);
    checkName(work, "fileio", name);
    await work.files.create(dev, size, sparse);
  } else {
    await checkFree(work, path, found.identity);
    if (found.kind === "other") throw new LioError(`Path ${path} exists but is not a file`);
    if (found.kind === "block") {
      if (given.size) work.say("Block device, size parameter ignored");
      work.say("Note: block backstore preferred for best results");
    } else if (given.size) work.say(`${path} exists, using its size (${size} bytes) instead`);
  }
  add(work, "fileio", given, { dev, size, write_back: writeBack, aio: false });
  work.say(`Created fileio ${name} with size ${size}`);
  work.made(`${here.path}/${name}`);
}

/** One file is one storage object's. */
async function checkFree(work: LioWork, path: string, identity: string): Promise<void> {
  for (const { dev, name } of listIn(work.dump, "storage_objects")) {
    if (typeof dev !== "string" || (await work.files.find(dev))?.identity !== identity) continue;
    throw new LioError(`storage object for ${path} already exists: ${name}`);
  }
}

function checkName(work: LioWork, plugin: Plugin, name: string): void {
  if (/[/\s]/.test(name)) throw new LioError("A storage object's name cannot contain  /, newline or spaces/tabs");
  const isThere = listIn(work.dump, "storage_objects").some((each) => each.plugin === plugin && each.name === name);
  if (isThere) throw new LioError(`Storage object ${plugin}/${name} exists`);
}

function add(work: LioWork, plugin: Plugin, { name = "", wwn }: Given, more: LioObject): void {
  checkName(work, plugin, name);
  const modelAlias = work.preferences.export_backstore_name_as_model;
  const serial = plugin === "pscsi" ? {} : { wwn: wwn ?? work.names.unitSerial() };
  const attributes = newAttributes(plugin, isOn(more.write_back), modelAlias);
  const alua_tpgs = plugin === "pscsi" ? [] : [newPortGroup("default_tg_pt_gp", 0)];
  addTo(work.dump, "storage_objects", { name, plugin, ...serial, ...more, attributes, alua_tpgs });
}

/** A target port group as Linux makes it. */
export function newPortGroup(name: string, id: number): LioObject {
  return {
    name,
    tg_pt_gp_id: id,
    alua_access_state: 0,
    alua_access_status: 0,
    alua_access_type: 3,
    alua_support_active_nonoptimized: 1,
    alua_support_active_optimized: 1,
    alua_support_offline: 1,
    alua_support_standby: 1,
    alua_support_transitioning: 1,
    alua_support_unavailable: 1,
    alua_write_metadata: 0,
    implicit_trans_secs: 0,
    nonop_delay_msecs: 100,
    preferred: 0,
    trans_delay_msecs: 0,
  };
}

const STATES = new Map([
  [0, "Active/optimized"],
  [1, "Active/non-optimized"],
  [2, "Standby"],
  [3, "Unavailable"],
  [4, "LBA Dependent"],
  [14, "Offline"],
  [15, "Transitioning"],
]);

function portGroups(object: LioObject): LioNode {
  const groups = () => listIn(object, "alua_tpgs");
  return {
    name: "alua",
    commands: [
      {
        name: "create",
        parameters: ["name", "tag"],
        summary: "makes a target port group",
        run: (work, { name = "", tag = "" }, here) => {
          const id = numberWord(tag, `invalid literal for int() with base 10: '${tag}'`);
          if (id < 1 || id > 0xffff) throw new LioError("The TPG Tag must be between 1 and 65535");
          if (groups().some((each) => each.name === name)) {
            throw new LioError("This ALUATargetPortGroup already exists in configFS");
          }
          addTo(object, "alua_tpgs", newPortGroup(name, id));
          work.say(`Created ALUA TPG ${name}.`);
          work.made(`${here.path}/${name}`);
        },
      },
      {
        name: "delete",
        parameters: ["name"],
        summary: "deletes a target port group; its LUNs come to the default one",
        run: (work, { name = "" }) => {
          const group = groups().find((each) => each.name === name);
          if (group === undefined) throw new LioError("Invalid ALUA group name");
          if (name === "default_tg_pt_gp") throw new LioError("Can not delete default_tg_pt_gp");
          for (const { lun } of lunsOf(work.dump, object)) {
            if (lun.alua_tg_pt_gp_name === name) lun.alua_tg_pt_gp_name = "default_tg_pt_gp";
          }
          removeFrom(object, "alua_tpgs", group);
        },
      },
    ],
    groups: [],
    summary: () => count("ALUA Groups", groups().length),
    children: () => groups().map(portGroup),
  };
}

function portGroup(group: LioObject): LioNode {
  const names = Object.keys(group)
    .filter((key) => key !== "name" && key !== "tg_pt_gp_id")
    .sort();
  return {
    name: String(group.name),
    object: group,
    commands: [],
    groups: [groupOf("alua", group, { type: "number", names })],
    summary: () => ({ text: `ALUA state: ${STATES.get(Number(group.alua_access_state ?? 0))}`, healthy: true }),
    children: () => [],
  };
}
