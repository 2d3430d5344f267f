// Knows what a guest sees of LIO's configuration by vhost-scsi: target ids and LUNs. Knows no transport and no file.

import type { ScsiAddress } from "./device-names.js";
import { type ConfigWarning, quoted } from "./errors.js";
import type { HostConfig } from "./host-types.js";
import type { PortalGroup, Saveconfig, SavedTarget } from "./saveconfig.js";
import { SavedDevices } from "./saveconfig-devices.js";

export interface VhostLun {
  readonly lun: number;
  /** Where its storage object is among `devices`. */
  readonly device: ScsiAddress;
}

export interface VhostTarget {
  /** The target id the guest sees: the tag of the portal group. */
  readonly target: number;
  readonly luns: readonly VhostLun[];
}

/** One vhost target of LIO: a SCSI controller of one guest. */
export interface VhostController {
  /** `naa.` and 16 hex digits. */
  readonly wwn: string;
  readonly targets: readonly VhostTarget[];
  /** Each storage object once, under the address 0:0:TARGET:LUN where the guest first finds it. */
  readonly devices: HostConfig;
  readonly warnings: readonly ConfigWarning[];
}

/** The controller of a WWN, which may be left out where there is one only. Throws `ConfigError` for what cannot be served. */
export function vhostController(config: Saveconfig, wwn?: string): VhostController {
  return new VhostReader(config).controller(wwn);
}

class VhostReader {
  readonly #config: Saveconfig;
  readonly #devices: SavedDevices;

  constructor(config: Saveconfig) {
    this.#config = config;
    this.#devices = new SavedDevices(config);
  }

  controller(wwn: string | undefined): VhostController {
    const saved = this.#choose(wwn);
    const targets = saved.groups.flatMap((group) => this.#target(group));
    for (const { fabric, wwn: name, at } of this.#config.targets) {
      if (fabric !== "vhost") this.#devices.warn(at, `target ${name} of fabric ${fabric} is not served: only vhost is`);
    }
    const devices = this.#devices.config(saved.at);
    return { wwn: saved.wwn, targets, devices, warnings: this.#devices.warnings };
  }

  #choose(wwn: string | undefined): SavedTarget {
    const all = this.#config.targets.filter(({ fabric }) => fabric === "vhost");
    const found = all.filter((target) => wwn === undefined || target.wwn === wwn.toLowerCase());
    if (found.length === 1) return found[0];
    if (all.length === 0) this.#devices.fail(this.#config.at, "no target of fabric vhost");
    const names = all.map((target) => target.wwn).join(", ");
    if (wwn !== undefined)
      this.#devices.fail(this.#config.at, `no target ${quoted(wwn)} of fabric vhost, expected one of ${names}`);
    return this.#devices.fail(
      found[1].at,
      `${all.length} targets of fabric vhost, expected to be told which of ${names}`,
    );
  }

  #target(group: PortalGroup): VhostTarget[] {
    const { tag, luns, others, at } = group;
    if (group.enable === false) return [];
    if (Array.isArray(others.node_acls) && others.node_acls.length > 0) {
      this.#devices.warn(at, "node_acls are without effect: the guest finds every LUN, writable");
    }
    const sorted = [...luns].sort((a, b) => a.index - b.index);
    return [
      {
        target: tag,
        luns: sorted.map((lun) => ({ lun: lun.index, device: this.#devices.at(lun, tag, tag + 1) })),
      },
    ];
  }
}
