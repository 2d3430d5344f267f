// Knows how to write a guest's configuration as xl.cfg.

import { MACHINE_DEFAULTS, type MachineConfig } from "./machine.js";
import { formatVscsi } from "./vscsi.js";
import { printXlConfig, type XlSetting, type XlValue, xlString } from "./xl-config.js";

/** The text of a domU.cfg; reading it in the same dialect gives an equal `MachineConfig` but for its positions. */
export function printMachineConfig(machine: MachineConfig): string {
  const { name, type, uuid, memory, vcpus, driverDomain, vscsi } = machine;
  const settings = [setting("name", xlString(name)), setting("type", xlString(type))];
  if (uuid !== undefined) settings.push(setting("uuid", xlString(uuid)));
  if (memory !== MACHINE_DEFAULTS.memory) settings.push(setting("memory", xlNumber(memory)));
  if (vcpus !== MACHINE_DEFAULTS.vcpus) settings.push(setting("vcpus", xlNumber(vcpus)));
  if (driverDomain) settings.push(setting("driver_domain", xlNumber(1)));
  if (vscsi.length > 0) {
    const values = vscsi.map((device) => xlString(formatVscsi(device, machine.dialect)));
    settings.push(setting("vscsi", { kind: "list", values, at: START }));
  }
  return printXlConfig({ settings: [...settings, ...machine.others] });
}

const START = { line: 1, column: 1 };

function setting(name: string, value: XlValue): XlSetting {
  return { name, operator: "=", value, at: START };
}

function xlNumber(value: number): XlValue {
  return { kind: "number", text: String(value), at: START, source: String(value) };
}
