// Knows how to write the driver domain's devices as host.yaml.

import { stringify } from "yaml";
import { formatAddress, NODE_PREFIXES } from "./device-names.js";
import type { DeviceNames, HostConfig, HostLun, ScsiHostConfig } from "./host-types.js";
import { formatIscsiUrl } from "./iscsi-url.js";
import { type LibraryConfig, printLibrary } from "./library-config.js";
import { eachProperty, isService, LUN_KEYS, type LunType } from "./lun-keys.js";
import { formatNbdUri } from "./nbd-uri.js";

type Printed = Record<string, unknown>;

/** The text of a host.yaml; reading it gives an equal `HostConfig` but for its positions. */
export function printHostConfig({ hosts, sysfs }: HostConfig): string {
  const given = hosts.filter(({ real }) => real === undefined).map(printHost);
  return stringify({ ...(sysfs === undefined ? {} : { sysfs: sysfs.root }), hosts: given }, { lineWidth: 0 });
}

function printHost({ host, driver, pci, uniqueId, wwnn, wwpn, luns }: ScsiHostConfig): Printed {
  const libraries = librariesOf(luns);
  return given({
    host,
    driver,
    pci,
    unique_id: uniqueId,
    wwnn,
    wwpn,
    luns: luns.filter(({ backing }) => backing.kind !== "library").map(printLun),
    libraries: libraries.length === 0 ? undefined : libraries.map(printLibrary),
  });
}

/** Each once, though it has several LUNs. */
function librariesOf(luns: readonly HostLun[]): LibraryConfig[] {
  return [...new Set(luns.flatMap(({ backing }) => (backing.kind === "library" ? [backing.library] : [])))];
}

function printLun(lun: HostLun): Printed {
  const { backing } = lun;
  const printed: Printed = { address: formatAddress(lun.address) };
  if (backing.kind === "file") {
    printed.file = backing.path;
    if (backing.createSize !== undefined) printed.create = true;
  } else if (backing.kind === "device") printed.device = backing.path;
  else if (backing.kind === "iscsi") printed.iscsi = formatIscsiUrl(backing.url);
  else if (backing.kind === "nbd") printed.nbd = formatNbdUri(backing.uri);
  else if (backing.kind === "empty") printed.empty = true;
  else if (backing.kind === "controller") printed.controller = true;
  else if (backing.kind === "enclosure") {
    printed.enclosure = Object.fromEntries(
      Object.entries(backing.enclosure).map(([key, count]) => [key, String(count)]),
    );
  } else if (backing.kind !== "library") {
    printed[backing.kind] = LUN_KEYS.size.print(backing.size);
  }
  eachProperty(lun, (row, text) => {
    printed[row.key] = row.flag ? text === "true" : text;
  });
  if (isService(backing)) delete printed.type;
  if (lun.shareable) printed.shareable = true;
  if (lun.faults.length > 0) printed.faults = lun.faults.map((fault) => fault.text);
  const names = printNames(lun.names, lun.type);
  if (Object.keys(names).length > 0) printed.names = names;
  return printed;
}

function printNames({ node, sg, byId, byPath }: DeviceNames, type: LunType): Printed {
  return given({ [NODE_PREFIXES[type]]: node, sg, "by-id": byId, "by-path": byPath });
}

/** Without the keys that have no value. */
function given(table: Printed): Printed {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}
