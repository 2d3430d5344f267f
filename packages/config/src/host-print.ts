// Knows how to write the driver domain's devices as host.yaml.

import { stringify } from "yaml";
import { formatAddress, NODE_PREFIXES } from "./device-names.js";
import type { FabricConfig } from "./fabric-config.js";
import type { DeviceNames, HostConfig, HostLun, ScsiHostConfig } from "./host-types.js";
import { formatIscsiUrl } from "./iscsi-url.js";
import { type LibraryConfig, printLibrary } from "./library-config.js";
import { eachProperty, isService, LUN_KEYS, type LunSpec, type LunType } from "./lun-keys.js";
import { formatNbdUri } from "./nbd-uri.js";

type Printed = Record<string, unknown>;

/** The text of a host.yaml; reading it gives an equal `HostConfig` but for its positions. */
export function printHostConfig({ hosts, fabrics, sysfs }: HostConfig): string {
  const top = {
    sysfs: sysfs?.root,
    hosts: hosts.filter(({ real }) => real === undefined).map(printHost),
    fabrics: fabrics?.map(printFabric),
  };
  return stringify(given(top), { lineWidth: 0 });
}

function printHost({ host, driver, pci, uniqueId, wwnn, wwpn, fabric, maxVports, luns }: ScsiHostConfig): Printed {
  const libraries = librariesOf(luns);
  return given({
    host,
    driver,
    pci,
    unique_id: uniqueId,
    wwnn,
    wwpn,
    fabric,
    max_vports: maxVports,
    luns: luns.filter(({ backing }) => backing.kind !== "library").map(printLun),
    libraries: libraries.length === 0 ? undefined : libraries.map(printLibrary),
  });
}

/** Each once, though it has several LUNs. */
function librariesOf(luns: readonly HostLun[]): LibraryConfig[] {
  return [...new Set(luns.flatMap(({ backing }) => (backing.kind === "library" ? [backing.library] : [])))];
}

function printFabric({ name, wwn, targets, zones }: FabricConfig): Printed {
  return given({
    name,
    wwn,
    targets: targets.map(({ wwnn, wwpn, luns }) => ({
      wwnn,
      wwpn,
      luns: luns.map((lun) => given({ lun: lun.lun, ...printSpec(lun, lun.shareable), initiators: lun.initiators })),
    })),
    zones: zones.length === 0 ? undefined : zones,
  });
}

function printLun(lun: HostLun): Printed {
  const names = printNames(lun.names, lun.type);
  return given({
    address: formatAddress(lun.address),
    ...printSpec(lun, lun.shareable),
    names: Object.keys(names).length > 0 ? names : undefined,
  });
}

function printSpec(lun: LunSpec, shareable: boolean): Printed {
  const { backing } = lun;
  const printed: Printed = {};
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
  if (shareable) printed.shareable = true;
  if (lun.faults.length > 0) printed.faults = lun.faults.map((fault) => fault.text);
  return printed;
}

function printNames({ node, sg, byId, byPath }: DeviceNames, type: LunType): Printed {
  return given({ [NODE_PREFIXES[type]]: node, sg, "by-id": byId, "by-path": byPath });
}

/** Without the keys that have no value. */
function given(table: Printed): Printed {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}
