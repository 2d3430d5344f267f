// Knows what initiators find of LIO's configuration by iSCSI: targets, their LUNs, who may log in and what each has to prove.
// Knows no transport and no file.

import type { ScsiAddress } from "./device-names.js";
import { type ConfigWarning, type Position, quoted } from "./errors.js";
import type { HostConfig } from "./host-types.js";
import type { Json } from "./json-print.js";
import type { PortalGroup, Saveconfig, SavedTarget } from "./saveconfig.js";
import { SavedDevices } from "./saveconfig-devices.js";
import { MAX_VHOST_LUN } from "./saveconfig-keys.js";

/** CHAP as LIO keeps it: the initiator's name and password, and the target's own where it has one. */
export interface IscsiChap {
  readonly user: string;
  readonly password: string;
  readonly mutual: { readonly user: string; readonly password: string } | null;
}

/** A LUN as an initiator finds it. */
export interface IscsiMappedLun {
  readonly lun: number;
  /** The group's own number for it. */
  readonly groupLun: number;
  readonly readOnly: boolean;
}

/** What an initiator finds that has an ACL. */
export interface IscsiAcl {
  readonly chap: IscsiChap | null;
  readonly luns: readonly IscsiMappedLun[];
}

export interface IscsiPortal {
  readonly host: string;
  readonly port: number;
}

/** A portal group: a SCSI target port. */
export interface IscsiGroup {
  readonly tag: number;
  /** The relative identifier of its port, unique in the file. */
  readonly port: number;
  /** Commands that a session may have under way; undefined where the file does not say. */
  readonly depth: number | undefined;
  readonly portals: readonly IscsiPortal[];
  readonly luns: readonly { readonly lun: number; readonly device: ScsiAddress }[];
  /** By name in lower case. */
  readonly initiators: ReadonlyMap<string, IscsiAcl>;
  /** What everybody else finds: all LUNs; null where nobody else may log in. */
  readonly others: { readonly chap: IscsiChap | null; readonly readOnly: boolean } | null;
}

export interface IscsiNode {
  /** `iqn.`, `eui.` or `naa.`, in lower case. */
  readonly name: string;
  /** Those that are enabled: at least one. */
  readonly groups: readonly IscsiGroup[];
}

export interface IscsiNodes {
  readonly targets: readonly IscsiNode[];
  /** Each storage object once, under the address 0:0:GROUP:LUN where it is first found: groups are counted through the file, from 0. */
  readonly devices: HostConfig;
  readonly warnings: readonly ConfigWarning[];
}

/** The iSCSI targets of a file. Throws `ConfigError` for what cannot be served: nobody gets in or writes who could not with LIO. */
export function iscsiNodes(config: Saveconfig): IscsiNodes {
  return new IscsiReader(config).nodes();
}

/** LIO's own limit. */
const MAX_DEPTH = 512;

type Fields = { readonly [name: string]: Json };

class IscsiReader {
  readonly #config: Saveconfig;
  readonly #devices: SavedDevices;
  #groups = 0;

  constructor(config: Saveconfig) {
    this.#config = config;
    this.#devices = new SavedDevices(config);
  }

  nodes(): IscsiNodes {
    const saved = this.#config.targets.filter(({ fabric }) => fabric === "iscsi");
    if (saved.length === 0) this.#devices.fail(this.#config.at, "no target of fabric iscsi");
    for (const { fabric, wwn, at } of this.#config.targets) {
      if (fabric !== "iscsi") this.#devices.warn(at, `target ${wwn} of fabric ${fabric} is not served: only iscsi is`);
    }
    const targets = saved.map((target) => this.#node(target));
    return { targets, devices: this.#devices.config(this.#config.at), warnings: this.#devices.warnings };
  }

  #node({ wwn, groups, at }: SavedTarget): IscsiNode {
    if (!/^(iqn\.\d{4}-\d{2}\.|eui\.|naa\.)[\w.:-]+$/i.test(wwn)) {
      this.#devices.fail(at, `invalid wwn ${quoted(wwn)}, expected iqn., eui. or naa. and a name for fabric iscsi`);
    }
    const enabled = groups.filter(({ enable }) => enable !== false);
    if (enabled.length === 0) this.#devices.fail(at, `no portal group of ${wwn} is enabled`);
    const node = { name: wwn.toLowerCase(), groups: enabled.map((group) => this.#group(group)) };
    this.#checkPortals(node, at);
    return node;
  }

  /** Nobody could say which group somebody has come to by a portal that two have. */
  #checkPortals({ name, groups }: IscsiNode, at: Position): void {
    const seen = new Set<string>();
    for (const { host, port } of groups.flatMap(({ portals }) => portals)) {
      const portal = `${host}:${port}`;
      if (seen.has(portal)) this.#devices.fail(at, `portal ${portal} is given twice in ${name}`);
      seen.add(portal);
    }
  }

  #group(group: PortalGroup): IscsiGroup {
    const number = this.#groups++;
    const port = number + 1;
    const luns = group.luns.map((lun) => {
      if (lun.index > MAX_VHOST_LUN)
        this.#devices.fail(lun.at, `LUN ${lun.index}, expected a number from 0 to ${MAX_VHOST_LUN}`);
      return { lun: lun.index, device: this.#devices.at(lun, number, port) };
    });
    const portals = listOf(group.others.portals).map((portal) => this.#portal(group, fieldsOf(portal)));
    return { tag: group.tag, port, depth: this.#depth(group), portals, luns, ...this.#admission(group) };
  }

  #depth(group: PortalGroup): number | undefined {
    const { default_cmdsn_depth: depth } = fieldsOf(group.others.attributes);
    if (depth === undefined) return undefined;
    if (typeof depth === "number" && Number.isInteger(depth) && depth >= 1 && depth <= MAX_DEPTH) return depth;
    return this.#devices.fail(group.at, `a default_cmdsn_depth that is no number from 1 to ${MAX_DEPTH}`);
  }

  /** rtslib writes an IPv6 address in brackets. */
  #portal(group: PortalGroup, { ip_address: address, port }: Fields): IscsiPortal {
    const host = textOf(address)?.replace(/^\[(.*)\]$/, "$1") ?? "";
    if (
      !/^[\d.]+$|^[\da-f:.]+$/i.test(host) ||
      typeof port !== "number" ||
      !Number.isInteger(port) ||
      port < 1 ||
      port > 0xffff
    ) {
      return this.#devices.fail(group.at, "a portal without an ip_address and a port from 1 to 65535");
    }
    return { host, port };
  }

  /** Who may log in: whoever has an ACL, with its LUNs; whoever comes, where ACLs are made for them. */
  #admission(group: PortalGroup): Pick<IscsiGroup, "initiators" | "others"> {
    const attributes = fieldsOf(group.others.attributes);
    const proves = isOn(attributes.authentication, false);
    const acls = listOf(group.others.node_acls).map(fieldsOf);
    const initiators = new Map(
      acls.map((acl) => [this.#initiator(group, acl), this.#acl(group, acl, proves ? this.#chap(group, acl) : null)]),
    );
    if (!isOn(attributes.generate_node_acls, false)) return { initiators, others: null };
    // LIO's default: whoever has no ACL may read only.
    const readOnly = isOn(attributes.demo_mode_write_protect, true);
    return { initiators, others: { chap: proves ? this.#chap(group, group.others) : null, readOnly } };
  }

  #initiator(group: PortalGroup, acl: Fields): string {
    return textOf(acl.node_wwn)?.toLowerCase() ?? this.#devices.fail(group.at, "a node ACL without node_wwn");
  }

  #acl(group: PortalGroup, acl: Fields, chap: IscsiChap | null): IscsiAcl {
    const who = textOf(acl.node_wwn);
    const luns = listOf(acl.mapped_luns)
      .map(fieldsOf)
      .map(({ index, tpg_lun: groupLun, write_protect: protects }) => {
        if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index > MAX_VHOST_LUN) {
          return this.#devices.fail(group.at, `${who} has a mapped LUN without an index from 0 to ${MAX_VHOST_LUN}`);
        }
        if (typeof groupLun !== "number" || !group.luns.some((lun) => lun.index === groupLun)) {
          return this.#devices.fail(group.at, `${who} has LUN ${index} of a tpg_lun that its group has not`);
        }
        return { lun: index, groupLun, readOnly: isOn(protects, false) };
      });
    if (new Set(luns.map(({ lun }) => lun)).size < luns.length) {
      this.#devices.fail(group.at, `${who} has a mapped LUN twice`);
    }
    return { chap, luns };
  }

  #chap(group: PortalGroup, fields: Fields): IscsiChap {
    const [user, password] = [textOf(fields.chap_userid), textOf(fields.chap_password)];
    if (user === null || password === null) {
      const who = textOf(fields.node_wwn) ?? "whoever comes";
      return this.#devices.fail(
        group.at,
        `authentication is asked for, and ${who} has no chap_userid and chap_password`,
      );
    }
    const [ourUser, ours] = [textOf(fields.chap_mutual_userid), textOf(fields.chap_mutual_password)];
    return { user, password, mutual: ourUser === null || ours === null ? null : { user: ourUser, password: ours } };
  }
}

function fieldsOf(value: Json | undefined): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** An empty text is how rtslib says that there is none. */
function textOf(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Python's True, or configfs' 1. */
function isOn(value: Json | undefined, otherwise: boolean): boolean {
  return value === undefined || value === null ? otherwise : value === true || value === 1 || value === "1";
}
