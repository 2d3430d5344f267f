// Knows the saveconfig.json with which targetcli would give files away by vhost-scsi: a portal group's tag is the target number.

import type { Disk } from "./disks.js";

const MIB = 1024 * 1024;
const WWN = "naa.500140568720f76f";
/** As targetcli sets them: the model is the object's name, DPO and FUA are taken. */
const ATTRIBUTES = { emulate_model_alias: 1, emulate_fua_write: 1, emulate_tpu: 1, emulate_write_cache: 1 };

/** Its text. Disks without a file are refused. */
export function saveconfigOf(disks: readonly Disk[]): string {
  const storage = disks.map(({ file, mebibytes, ...disk }) => {
    if (file === undefined) throw new Error("a disk of a saveconfig.json needs a file");
    const object = { plugin: "fileio", name: nameOf(disk), dev: file, size: mebibytes * MIB, write_back: true };
    return { ...object, attributes: ATTRIBUTES };
  });
  const tags = [...new Set(disks.map(({ target }) => target))];
  const groups = tags.map((tag) => {
    const luns = disks.filter(({ target }) => target === tag);
    const of = (disk: Disk) => ({ index: disk.lun, storage_object: `/backstores/fileio/${nameOf(disk)}` });
    return { tag, enable: true, luns: luns.map(of) };
  });
  const target = { fabric: "vhost", wwn: WWN, tpgs: groups };
  return JSON.stringify({ storage_objects: storage, targets: [target] }, null, 2);
}

function nameOf({ target, lun, identity }: Pick<Disk, "target" | "lun" | "identity">): string {
  return identity?.product ?? `disk-${target}-${lun}`;
}
