// Knows the ACLs of a portal group: which initiators may come, and which LUNs each finds under which numbers.

import { lunsOf } from "./backstores.js";
import { addTo, isOn, type LioObject, listIn, objectIn, removeFrom } from "./dump.js";
import { type InGroup, normalName } from "./fabrics.js";
import { addLun, backstoreOf, storageObject } from "./luns.js";
import {
  booleanWord,
  count,
  groupOf,
  type LioCommand,
  LioError,
  type LioNode,
  numberWord,
  type Summary,
} from "./node.js";

/** As Linux' iSCSI target begins with an initiator. */
const ISCSI_ATTRIBUTES: LioObject = {
  dataout_timeout: 3,
  dataout_timeout_retries: 5,
  default_erl: 0,
  nopin_response_timeout: 30,
  nopin_timeout: 15,
  random_datain_pdu_offsets: 0,
  random_datain_seq_offsets: 0,
  random_r2t_offsets: 0,
};

const AUTH = ["mutual_password", "mutual_userid", "password", "userid"];

export function acls(inside: InGroup): LioNode {
  const all = () => listIn(inside.group, "node_acls");
  return {
    name: "acls",
    commands: [create(inside), remove(inside)],
    groups: [],
    summary: () => count("ACLs", all().length),
    children: () => all().map((acl) => aclNode(inside, acl)),
  };
}

function aclNode(inside: InGroup, acl: LioObject): LioNode {
  const { fabric, group } = inside;
  const auth = fabric.features.includes("auth");
  return {
    name: String(acl.tag ?? acl.node_wwn),
    object: acl,
    commands: [mapLun(inside, acl), unmapLun(acl)],
    groups: [
      ...(acl.attributes === undefined ? [] : [groupOf("attribute", acl, { type: "number", within: "attributes" })]),
      ...(auth ? [groupOf("auth", acl, { type: "string", names: AUTH, prefix: "chap_" })] : []),
    ],
    summary: () => aclSummary(group, acl, auth),
    children: () => listIn(acl, "mapped_luns").map((mapped) => mappedNode(group, mapped)),
  };
}

function aclSummary(group: LioObject, acl: LioObject, auth: boolean): Summary {
  const mapped = count("Mapped LUNs", listIn(acl, "mapped_luns").length).text;
  const { authentication, generate_node_acls } = objectIn(group, "attributes");
  if (!auth || !isOn(authentication)) return { text: mapped, healthy: null };
  if (isOn(generate_node_acls)) return { text: `auth via tpg, ${mapped}`, healthy: null };
  const way = acl.chap_mutual_userid && acl.chap_mutual_password ? "mutual auth" : "1-way auth";
  return { text: `${way}, ${mapped}`, healthy: Boolean(acl.chap_password && acl.chap_userid) };
}

function mappedNode(group: LioObject, mapped: LioObject): LioNode {
  const lun = listIn(group, "luns").find(({ index }) => index === mapped.tpg_lun);
  const summary = (): Summary => {
    if (lun === undefined) return { text: "BROKEN LUN LINK", healthy: false };
    const mode = isOn(mapped.write_protect) ? "ro" : "rw";
    return { text: `lun${lun.index} ${backstoreOf(lun)} (${mode})`, healthy: true };
  };
  return { name: `mapped_lun${mapped.index}`, object: mapped, commands: [], groups: [], summary, children: () => [] };
}

function create({ fabric, group }: InGroup): LioCommand {
  return {
    name: "create",
    parameters: ["wwn", "add_mapped_luns?"],
    summary: "lets an initiator in, and maps every LUN for it",
    run: (work, given, here) => {
      const maps = booleanWord(given.add_mapped_luns, work.preferences.auto_add_mapped_luns);
      const node_wwn = normalName(fabric, given.wwn ?? "");
      if (listIn(group, "node_acls").some((acl) => acl.node_wwn === node_wwn)) {
        throw new LioError("This NodeACL already exists in configFS");
      }
      const attributes = fabric.name === "iscsi" ? { attributes: { ...ISCSI_ATTRIBUTES } } : {};
      const acl: LioObject = { node_wwn, mapped_luns: [], ...attributes };
      addTo(group, "node_acls", acl);
      work.say(`Created Node ACL for ${node_wwn}`);
      for (const { index } of maps ? listIn(group, "luns") : []) {
        addTo(acl, "mapped_luns", { index, tpg_lun: index, write_protect: false, alias: work.names.alias() });
        work.say(`Created mapped LUN ${index}.`);
      }
      work.made(`${here.path}/${node_wwn}`);
    },
  };
}

function remove({ fabric, target, group }: InGroup): LioCommand {
  return {
    name: "delete",
    parameters: ["wwn"],
    summary: "lets an initiator in no more",
    run: (work, { wwn = "" }) => {
      const name = normalName(fabric, wwn);
      const acl = listIn(group, "node_acls").find(({ node_wwn }) => node_wwn === name);
      const path = `/sys/kernel/config/target/${fabric.name}/${target.wwn}/tpgt_${group.tag}/acls/${name}`;
      if (acl === undefined) throw new LioError(`No such NodeACL in configfs: ${path}`);
      removeFrom(group, "node_acls", acl);
      work.say(`Deleted Node ACL ${wwn}.`);
    },
  };
}

function mapLun({ group }: InGroup, acl: LioObject): LioCommand {
  return {
    name: "create",
    parameters: ["mapped_lun", "tpg_lun_or_backstore", "write_protect?"],
    summary: "maps a LUN of the group, or a storage object, for this initiator",
    run: (work, given, here) => {
      const index = numberWord(given.mapped_lun ?? "", "mapped_lun must be an integer");
      const word = given.tpg_lun_or_backstore ?? "";
      let lun = listIn(group, "luns").find((each) => `${each.index}` === word.replace(/^lun/, ""));
      if (lun === undefined && /^(lun)?\d+$/.test(word)) throw new LioError("LUN, storage object, or path not valid");
      if (lun === undefined) {
        const object = storageObject(work, word, here);
        lun = lunsOf(work.dump, object).find((each) => each.group === group)?.lun ?? addLun(work, group, object);
      }
      const mapped = listIn(acl, "mapped_luns");
      if (mapped.some((each) => each.index === index)) throw new LioError("This MappedLUN already exists in configFS");
      if (mapped.some((each) => each.tpg_lun === lun.index)) {
        work.say(`Warning: TPG LUN ${lun.index} already mapped to this NodeACL`);
      }
      const write_protect = ["1", "true"].includes(given.write_protect?.toLowerCase() ?? "");
      addTo(acl, "mapped_luns", { index, tpg_lun: lun.index, write_protect, alias: work.names.alias() });
      work.say(`Created Mapped LUN ${index}.`);
      work.made(`${here.path}/mapped_lun${index}`);
    },
  };
}

function unmapLun(acl: LioObject): LioCommand {
  return {
    name: "delete",
    parameters: ["mapped_lun"],
    summary: "takes a LUN away from this initiator",
    run: (work, { mapped_lun: word = "" }) => {
      const mapped = listIn(acl, "mapped_luns").find(({ index }) => String(index) === word);
      if (mapped === undefined) throw new LioError(`No such MappedLUN in configfs: lun_${word}`);
      removeFrom(acl, "mapped_luns", mapped);
      work.say(`Deleted Mapped LUN ${word}.`);
    },
  };
}
