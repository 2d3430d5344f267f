// Knows what initiators find of LIO's configuration by iSCSI: targets, their LUNs, who may log in and what each has to prove.
// Knows no transport and no file.

import type { ScsiAddress } from "./device-names.js";
import { type ConfigWarning, quoted } from "./errors.js";
import type { HostConfig } from "./host-config.js";
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

export interface IscsiNode {
  /** `iqn.`, `eui.` or `naa.`, in lower case. */
  readonly name: string;
  readonly luns: readonly { readonly lun: number; readonly device: ScsiAddress }[];
  /** By name in lower case; null where whoever comes may log in, and has `chap` to prove. */
  readonly initiators: ReadonlyMap<string, IscsiChap | null> | null;
  readonly chap: IscsiChap | null;
}

export interface IscsiNodes {
  /** Their numbers are the targets' in the devices' addresses. */
  readonly targets: readonly IscsiNode[];
  /** Each storage object once, under the address 0:0:TARGET:LUN where it is first found. */
  readonly devices: HostConfig;
  readonly warnings: readonly ConfigWarning[];
}

/** The iSCSI targets of a file. Throws `ConfigError` for what cannot be served: nobody gets in or writes who could not with LIO. */
export function iscsiNodes(config: Saveconfig): IscsiNodes {
  return new IscsiReader(config).nodes();
}

type Fields = { readonly [name: string]: Json };

class IscsiReader {
  readonly #config: Saveconfig;
  readonly #devices: SavedDevices;

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
    const targets = saved.map((target, number) => this.#node(target, number));
    return { targets, devices: this.#devices.config(this.#config.at), warnings: this.#devices.warnings };
  }

  #node({ wwn, groups, at }: SavedTarget, number: number): IscsiNode {
    if (!/^(iqn\.\d{4}-\d{2}\.|eui\.|naa\.)[\w.:-]+$/i.test(wwn)) {
      this.#devices.fail(at, `invalid wwn ${quoted(wwn)}, expected iqn., eui. or naa. and a name for fabric iscsi`);
    }
    const enabled = groups.filter(({ enable }) => enable !== false);
    if (enabled.length !== 1) {
      this.#devices.fail(at, `${enabled.length} enabled portal groups, expected one for each target in this version`);
    }
    const [group] = enabled;
    const luns = group.luns.map(({ index, storageObject, at: where }) => {
      if (index > MAX_VHOST_LUN)
        this.#devices.fail(where, `LUN ${index}, expected a number from 0 to ${MAX_VHOST_LUN}`);
      return { lun: index, device: this.#devices.at(storageObject, number, index) };
    });
    return { name: wwn.toLowerCase(), luns, ...this.#admission(group) };
  }

  /** Who may log in. */
  #admission(group: PortalGroup): Pick<IscsiNode, "initiators" | "chap"> {
    const attributes = fieldsOf(group.others.attributes);
    const proves = isOn(attributes.authentication, false);
    if (isOn(attributes.generate_node_acls, false)) {
      // LIO's default: whoever is not in the list may read only, which is the LUN's own property here.
      if (isOn(attributes.demo_mode_write_protect, true)) {
        this.#devices.fail(group.at, "demo_mode_write_protect for some initiators is not served in this version");
      }
      if (listOf(group.others.node_acls).length > 0) {
        this.#devices.warn(group.at, "node_acls are without effect beside generate_node_acls");
      }
      return { initiators: null, chap: proves ? this.#chap(group, group.others) : null };
    }
    const acls = listOf(group.others.node_acls).map(fieldsOf);
    const initiators = new Map(
      acls.map((acl) => [this.#initiator(group, acl), proves ? this.#chap(group, acl) : null]),
    );
    return { initiators, chap: null };
  }

  #initiator(group: PortalGroup, acl: Fields): string {
    const name = textOf(acl.node_wwn);
    if (name === null) return this.#devices.fail(group.at, "a node ACL without node_wwn");
    const mapped = listOf(acl.mapped_luns).map(fieldsOf);
    const wanted = group.luns.map(({ index }) => index);
    const same =
      mapped.length === wanted.length &&
      mapped.every(({ index, tpg_lun: lun }) => index === lun && wanted.includes(Number(lun)));
    if (!same)
      this.#devices.fail(group.at, `${name} has other LUNs than its group, which is not served in this version`);
    if (mapped.some(({ write_protect: protects }) => isOn(protects, false))) {
      this.#devices.fail(group.at, `${name} may read only, which is not served in this version`);
    }
    return name.toLowerCase();
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
