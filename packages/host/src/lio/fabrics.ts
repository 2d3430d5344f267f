// Knows the fabrics: which there are, how each names its targets, and what its portal groups have. Makes, shows and deletes targets and
// their portal groups.

import { seededRandom } from "@pvscsi/wire";
import { acls } from "./acls.js";
import { addTo, isOn, type LioObject, listIn, lowestFree, objectIn, removeFrom } from "./dump.js";
import { luns } from "./luns.js";
import { nexusName } from "./names.js";
import {
  count,
  groupOf,
  type LioCommand,
  LioError,
  type LioNode,
  type LioWork,
  numberWord,
  type Summary,
} from "./node.js";
import { newPortal, portals } from "./portals.js";

export type Feature = "discovery_auth" | "acls" | "auth" | "nps" | "tpgts" | "nexus" | "cpus_allowed_list";

export interface Fabric {
  readonly name: string;
  readonly features: readonly Feature[];
  /** The kinds of names that its targets and initiators may have; the first one is made where none is given. */
  readonly kinds: readonly string[];
  /** Linux' module. */
  readonly module: string;
}

export const FABRICS: readonly Fabric[] = [
  {
    name: "iscsi",
    features: ["discovery_auth", "acls", "auth", "nps", "tpgts", "cpus_allowed_list"],
    kinds: ["iqn", "naa", "eui"],
    module: "iscsi_target_mod",
  },
  { name: "loopback", features: ["nexus"], kinds: ["naa"], module: "tcm_loop" },
  { name: "vhost", features: ["nexus", "acls", "tpgts"], kinds: ["naa"], module: "tcm_vhost" },
  { name: "xen-pvscsi", features: ["nexus", "tpgts"], kinds: ["naa"], module: "xen-scsiback" },
];

const CONFIGFS = "/sys/kernel/config/target";
const AUTH = ["mutual_password", "mutual_userid", "password", "userid"];

export function fabricNode(work: LioWork, fabric: Fabric): LioNode {
  const targets = () => listIn(work.dump, "targets").filter((target) => target.fabric === fabric.name);
  return {
    name: fabric.name,
    commands: [createTarget(fabric), deleteTarget(fabric), infoOf(fabric)],
    groups: [],
    summary: () => count("Targets", targets().length),
    children: () => targets().map((target) => targetNode(work, fabric, target)),
  };
}

/** A fabric whose targets have one group each shows that group in the target's place. */
function targetNode(work: LioWork, fabric: Fabric, target: LioObject): LioNode {
  const groups = () => listIn(target, "tpgs");
  const name = String(target.wwn);
  if (!fabric.features.includes("tpgts")) {
    return { ...groupNode(work, fabric, target, groups()[0] ?? newGroup(fabric, 1, true)), name };
  }
  return {
    name,
    object: target,
    commands: [createGroup(fabric, target), deleteGroup(fabric, target)],
    groups: [],
    summary: () => count("TPGs", groups().length),
    children: () => groups().map((group) => groupNode(work, fabric, target, group)),
  };
}

function createTarget(fabric: Fabric): LioCommand {
  return {
    name: "create",
    parameters: ["wwn?"],
    summary: "makes a target; where no name is given it gets one that nobody else has",
    run: (work, { wwn: given }, here) => {
      const wwn = given === undefined ? work.names.wwn(fabric.kinds[0]) : normalName(fabric, given);
      if (findTarget(work, fabric, wwn) !== undefined) throw new LioError("This Target already exists in configFS");
      const target: LioObject = { fabric: fabric.name, wwn, tpgs: [] };
      addTo(work.dump, "targets", target);
      work.say(`Created target ${wwn}.`);
      const path = `${here.path}/${wwn}`;
      if (fabric.features.includes("tpgts")) return addGroup(work, fabric, target, 1, path);
      target.tpgs = [newGroup(fabric, 1, true)];
      work.made(path);
    },
  };
}

function deleteTarget(fabric: Fabric): LioCommand {
  return {
    name: "delete",
    parameters: ["wwn"],
    summary: "deletes a target with all that is in it",
    run: (work, { wwn: given = "" }) => {
      const wwn = normalName(fabric, given);
      const target = findTarget(work, fabric, wwn);
      if (target === undefined) throw new LioError(`No such Target in configfs: ${CONFIGFS}/${fabric.name}/${wwn}`);
      removeFrom(work.dump, "targets", target);
      work.say(`Deleted Target ${given}.`);
    },
  };
}

function infoOf({ name, kinds, features, module }: Fabric): LioCommand {
  return {
    name: "info",
    parameters: [],
    summary: "what names the fabric takes, and what it has",
    run: (work) => {
      work.say(`Fabric module name: ${name}`);
      work.say(`ConfigFS path: ${CONFIGFS}/${name}`);
      work.say(`Allowed WWN types: ${kinds.join(", ")}`);
      work.say(`Fabric module features: ${features.join(", ")}`);
      work.say(`Corresponding kernel module: ${module}`);
    },
  };
}

function findTarget(work: LioWork, fabric: Fabric, wwn: string): LioObject | undefined {
  return listIn(work.dump, "targets").find((target) => target.fabric === fabric.name && target.wwn === wwn);
}

const KINDS: { readonly [kind: string]: RegExp } = {
  iqn: /^iqn\.\d{4}-[01]\d\.[^ _]*\.[^ _]*$/,
  naa: /^naa\.[125c-f][\da-f]{15}$/,
  eui: /^eui\.[\da-f]{16}$/,
};

/** As rtslib writes it: lower case, and hex digits with their kind before them. Throws `LioError` for a name of no kind that the fabric takes. */
export function normalName({ kinds }: Fabric, given: string): string {
  // Early versions made names of NAA 6, too short for it.
  const lower = given
    .trim()
    .toLowerCase()
    .replace(/^naa\.6/, "naa.5");
  for (const kind of kinds) {
    const digits = lower.replace(/^0x/, "").replaceAll(/[-:]/g, "");
    const name = kind === "iqn" ? lower : /^(naa|eui|ib)\./.test(digits) ? digits : `${kind}.${digits}`;
    if (KINDS[kind].test(name)) return name;
  }
  throw new LioError(`WWN not valid as: ${kinds.join(", ")}`);
}

function createGroup(fabric: Fabric, target: LioObject): LioCommand {
  return {
    name: "create",
    parameters: ["tag?"],
    summary: "makes a target portal group; where no tag is given, with the first that is free",
    run: (work, { tag }, here) => {
      const number = tag === undefined ? lowestFree(listIn(target, "tpgs"), "tag", 1) : tagOf(tag);
      addGroup(work, fabric, target, number, here.path);
    },
  };
}

function tagOf(word: string): number {
  return numberWord(word.replace(/^tpg/, ""), "Tag argument must be a number.");
}

function addGroup(work: LioWork, fabric: Fabric, target: LioObject, tag: number, path: string): void {
  if (listIn(target, "tpgs").some((group) => group.tag === tag)) {
    throw new LioError("This TPG already exists in configFS");
  }
  const group = newGroup(fabric, tag, work.preferences.auto_enable_tpgt || !fabric.features.includes("nps"));
  addTo(target, "tpgs", group);
  work.say(`Created TPG ${tag}.`);
  if (fabric.features.includes("nps") && work.preferences.auto_add_default_portal)
    addDefaultPortal(work, target, group);
  work.made(`${path}/tpg${tag}`);
}

function addDefaultPortal(work: LioWork, target: LioObject, group: LioObject): void {
  const portal = newPortal("::0", 3260);
  const all = listIn(target, "tpgs").flatMap((each) => listIn(each, "portals"));
  if (all.some(({ ip_address, port }) => ip_address === portal.ip_address && port === portal.port)) {
    work.say("Default portal not created, TPGs within a target cannot share ip:port.");
    return;
  }
  group.portals = [portal];
  work.say("Global pref auto_add_default_portal=true");
  work.say("Created default portal listening on all IPs (::0), port 3260.");
}

function deleteGroup(fabric: Fabric, target: LioObject): LioCommand {
  return {
    name: "delete",
    parameters: ["tag"],
    summary: "deletes a target portal group with all that is in it",
    run: (work, { tag = "" }) => {
      const number = tagOf(tag);
      const group = listIn(target, "tpgs").find((each) => each.tag === number);
      const path = `${CONFIGFS}/${fabric.name}/${target.wwn}/tpgt_${number}`;
      if (group === undefined) throw new LioError(`No such TPG in configfs: ${path}`);
      removeFrom(target, "tpgs", group);
      work.say(`Deleted TPGT ${number}.`);
    },
  };
}

function newGroup({ name }: Fabric, tag: number, enable: boolean): LioObject {
  const iscsi = name === "iscsi" ? { attributes: { ...ISCSI_ATTRIBUTES }, parameters: { ...ISCSI_PARAMETERS } } : {};
  const xen = name === "xen-pvscsi" ? { parameters: { alias: "" } } : {};
  const vhost = name === "vhost" ? { attributes: { fabric_prot_type: 0 } } : {};
  return { tag, enable, luns: [], portals: [], node_acls: [], ...iscsi, ...xen, ...vhost };
}

/** A group and its nexus: the initiator in whose name its LUNs are used, which LIO draws anew whenever it makes the group. */
function groupNode(work: LioWork, fabric: Fabric, target: LioObject, group: LioObject): LioNode {
  const { features } = fabric;
  const inside = { work, fabric, target, group };
  return {
    name: `tpg${group.tag}`,
    object: group,
    commands: ["enable", "disable"].map((name) => switchCommand(name, group)),
    groups: [
      ...(group.attributes === undefined
        ? []
        : [groupOf("attribute", group, { type: "number", within: "attributes" })]),
      ...(group.parameters === undefined
        ? []
        : [groupOf("parameter", group, { type: "string", within: "parameters" })]),
      ...(features.includes("auth") ? [groupOf("auth", group, { type: "string", names: AUTH, prefix: "chap_" })] : []),
    ],
    summary: () => groupSummary(fabric, target, group),
    children: () => [
      ...(features.includes("acls") ? [acls(inside)] : []),
      luns(inside),
      ...(features.includes("nps") ? [portals(inside)] : []),
    ],
  };
}

/** Which group of which target of which fabric a list belongs to. */
export interface InGroup {
  readonly work: LioWork;
  readonly fabric: Fabric;
  readonly target: LioObject;
  readonly group: LioObject;
}

/** The initiator in whose name the LUNs of a group are used. */
export function nexusOf({ wwn }: LioObject, { tag }: LioObject): string {
  return nexusName(seededRandom(Number(tag), String(wwn)));
}

function groupSummary({ features }: Fabric, target: LioObject, group: LioObject): Summary {
  if (group.enable === false) return { text: "disabled", healthy: false };
  const words = features.includes("nexus") ? [nexusOf(target, group)] : [];
  if (!features.includes("acls")) return { text: words.join(", "), healthy: null };
  const attributes = objectIn(group, "attributes");
  const open = isOn(attributes.generate_node_acls);
  words.push(open ? "gen-acls" : "no-gen-acls");
  if (!features.includes("auth")) return { text: words.join(", "), healthy: null };
  if (!isOn(attributes.authentication)) return { text: [...words, "no-auth"].join(", "), healthy: open ? true : null };
  if (!open) return { text: [...words, "auth per-acl"].join(", "), healthy: null };
  const way = group.chap_mutual_userid && group.chap_mutual_password ? "mutual auth" : "1-way auth";
  return { text: [...words, "tpg-auth", way].join(", "), healthy: Boolean(group.chap_password && group.chap_userid) };
}

function switchCommand(name: string, group: LioObject): LioCommand {
  const wanted = name === "enable";
  return {
    name,
    parameters: [],
    summary: `${name}s the portal group`,
    run: (work) => {
      const already = (group.enable !== false) === wanted;
      group.enable = wanted;
      work.say(already ? `The TPGT is already ${name}d.` : `The TPGT has been ${name}d.`);
    },
  };
}

/** As Linux' iSCSI target begins; targetcli switches authentication off. */
const ISCSI_ATTRIBUTES: LioObject = {
  authentication: 0,
  cache_dynamic_acls: 0,
  default_cmdsn_depth: 64,
  default_erl: 0,
  demo_mode_discovery: 1,
  demo_mode_write_protect: 1,
  fabric_prot_type: 0,
  generate_node_acls: 0,
  login_keys_workaround: 1,
  login_timeout: 15,
  prod_mode_write_protect: 0,
  t10_pi: 0,
  tpg_enabled_sendtargets: 1,
};

const ISCSI_PARAMETERS: LioObject = {
  AuthMethod: "CHAP,None",
  DataDigest: "CRC32C,None",
  DataPDUInOrder: "Yes",
  DataSequenceInOrder: "Yes",
  DefaultTime2Retain: "20",
  DefaultTime2Wait: "2",
  ErrorRecoveryLevel: "0",
  FirstBurstLength: "65536",
  HeaderDigest: "CRC32C,None",
  IFMarkInt: "Reject",
  IFMarker: "No",
  ImmediateData: "Yes",
  InitialR2T: "Yes",
  MaxBurstLength: "262144",
  MaxConnections: "1",
  MaxOutstandingR2T: "1",
  MaxRecvDataSegmentLength: "8192",
  MaxXmitDataSegmentLength: "262144",
  OFMarkInt: "Reject",
  OFMarker: "No",
  TargetAlias: "LIO Target",
};
