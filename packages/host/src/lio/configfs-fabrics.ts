// Knows what fabrics, targets, portal groups, LUNs and ACLs are in Linux' configfs.

import { pathOf } from "./backstores.js";
import type { ConfigfsTree } from "./configfs.js";
import { isOn, type LioObject, listIn, objectIn } from "./dump.js";
import { FABRICS, type Fabric, nexusOf } from "./fabrics.js";
import { LioError } from "./node.js";

/** rtslib's words for who proves what, and Linux' files. */
const AUTH_FILES = {
  userid: "userid",
  password: "password",
  mutual_userid: "userid_mutual",
  mutual_password: "password_mutual",
} as const;

/** What all fabrics are made from. */
interface Making {
  readonly tree: ConfigfsTree;
  readonly dump: LioObject;
  /** Of each storage object. */
  readonly folders: ReadonlyMap<LioObject, string>;
  readonly fabric: Fabric;
}

/** The folders of all fabrics. Throws `LioError` for what has no form in them. */
export function fabricFolders(tree: ConfigfsTree, dump: LioObject, folders: ReadonlyMap<LioObject, string>): void {
  for (const fabric of FABRICS) {
    const making = { tree, dump, folders, fabric };
    const folder = tree.folder("target", fabric.name);
    tree.file(folder, fabric.name === "iscsi" ? "lio_version" : "version", "pvscsi");
    const module = listIn(dump, "fabric_modules").find(({ name }) => name === fabric.name) ?? {};
    const discovery = authFolder(tree, folder, "discovery_auth", module, "discovery_");
    tree.file(discovery, "enforce_discovery_auth", isOn(module.discovery_enable_auth) ? 1 : 0);
    for (const target of listIn(dump, "targets").filter((each) => each.fabric === fabric.name)) {
      const place = tree.folder(folder, String(target.wwn));
      for (const group of listIn(target, "tpgs")) groupFolder(making, place, target, group);
    }
  }
}

/** What has not been set is an empty line. */
function authFolder(tree: ConfigfsTree, parent: string, name: string, owner: LioObject, prefix: string): string {
  const folder = tree.folder(parent, name);
  for (const [word, file] of Object.entries(AUTH_FILES)) tree.file(folder, file, String(owner[prefix + word] ?? ""));
  const mutual = owner[`${prefix}mutual_userid`] && owner[`${prefix}mutual_password`];
  tree.file(folder, "authenticate_target", mutual ? 1 : 0);
  return folder;
}

function groupFolder(making: Making, parent: string, target: LioObject, group: LioObject): void {
  const { tree, fabric } = making;
  const has = (feature: Fabric["features"][number]) => fabric.features.includes(feature);
  const folder = tree.folder(parent, `tpgt_${group.tag}`);
  // Only iSCSI's can be switched in Linux; what a file says of another's is not lost.
  if (has("nps") || group.enable === false) tree.file(folder, "enable", group.enable === false ? 0 : 1);
  if (has("nexus")) tree.file(folder, "nexus", nexusOf(target, group));
  tree.values(folder, "attrib", objectIn(group, "attributes"));
  tree.values(folder, "param", objectIn(group, "parameters"));
  if (has("auth")) authFolder(tree, folder, "auth", group, "chap_");
  const luns = tree.folder(folder, "lun");
  for (const lun of listIn(group, "luns")) lunFolder(making, luns, lun);
  const portals = tree.folder(folder, "np");
  for (const { ip_address, port, iser, offload } of listIn(group, "portals")) {
    const portal = tree.folder(portals, `${ip_address}:${port}`);
    tree.file(portal, "iser", isOn(iser) ? 1 : 0);
    tree.file(portal, "cxgbit", isOn(offload) ? 1 : 0);
  }
  const acls = tree.folder(folder, "acls");
  for (const acl of listIn(group, "node_acls")) aclFolder(making, acls, luns, acl);
}

function lunFolder({ tree, dump, folders }: Making, parent: string, lun: LioObject): void {
  const folder = tree.folder(parent, `lun_${lun.index}`);
  const object = listIn(dump, "storage_objects").find((each) => pathOf(each) === lun.storage_object);
  const name = String(lun.alua_tg_pt_gp_name ?? "default_tg_pt_gp");
  const group = listIn(object ?? {}, "alua_tpgs").find((each) => each.name === name);
  tree.link(folder, String(lun.alias ?? "storage_object"), folders.get(object ?? {}) ?? noObject(lun));
  const lines =
    object?.plugin === "pscsi" ? "" : `TG Port Alias: ${name}\nTG Port Group ID: ${group?.tg_pt_gp_id ?? 0}`;
  tree.file(folder, "alua_tg_pt_gp", lines);
  for (const file of ["alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md"]) tree.file(folder, file, 0);
  tree.folder(folder, "statistics");
}

function noObject(lun: LioObject): never {
  throw new LioError(`LUN ${lun.index} is of ${lun.storage_object}, which is not there`);
}

function aclFolder({ tree, fabric }: Making, parent: string, luns: string, acl: LioObject): void {
  const folder = tree.folder(parent, String(acl.node_wwn));
  tree.values(folder, "attrib", objectIn(acl, "attributes"));
  tree.file(folder, "tag", String(acl.tag ?? ""));
  if (fabric.features.includes("auth")) {
    authFolder(tree, folder, "auth", acl, "chap_");
    tree.file(folder, "info", `No active iSCSI Session for Initiator Endpoint: ${acl.node_wwn}`);
  }
  for (const { index, tpg_lun, write_protect, alias } of listIn(acl, "mapped_luns")) {
    const mapped = tree.folder(folder, `lun_${index}`);
    tree.link(mapped, String(alias ?? "lun"), `${luns}/lun_${tpg_lun}`);
    tree.file(mapped, "write_protect", isOn(write_protect) ? 1 : 0);
  }
}
