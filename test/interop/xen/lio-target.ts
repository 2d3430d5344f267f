// Knows Linux' own SCSI target (LIO) in dom0 as a Xen back end serves it: a disk in memory and one in a file, behind one WWN of
// the fabric xen-pvscsi. It is configured through configfs.

import type { Dom0 } from "./dom0.js";

const MIB = 1024 * 1024;
const PAGE = 4096;
const WWN = "naa.6001405000000001";
const FOLDER = "/sys/kernel/config/target";
const GROUP = `${FOLDER}/xen-pvscsi/${WWN}/tpgt_1`;
/** Where the second disk's bytes are, in dom0. */
const FILE = "/run/lun.img";

export class LioTarget {
  /** p-devs: the disk in memory, the one in a file, and one that is not there. */
  readonly memory = `${WWN}:0`;
  readonly file = `${WWN}:1`;
  readonly nothing = `${WWN}:7`;
  readonly #dom0: Dom0;

  private constructor(dom0: Dom0) {
    this.#dom0 = dom0;
  }

  /** Loads the kernel's back end, and makes both disks of `mebibytes`. */
  static async make(dom0: Dom0, mebibytes: number): Promise<LioTarget> {
    const bytes = mebibytes * MIB;
    await dom0.run(`set -e
modprobe target_core_mod
modprobe target_core_file
modprobe xen-scsiback
mount -t configfs configfs /sys/kernel/config
cd ${FOLDER}
mkdir -p core/rd_mcp_0/memory core/fileio_0/file
echo rd_pages=${bytes / PAGE} > core/rd_mcp_0/memory/control
echo fd_dev_name=${FILE},fd_dev_size=${bytes} > core/fileio_0/file/control
echo 1 > core/rd_mcp_0/memory/enable
echo 1 > core/fileio_0/file/enable
mkdir -p ${GROUP}
echo ${WWN} > ${GROUP}/nexus
mkdir ${GROUP}/lun/lun_0 ${GROUP}/lun/lun_1
ln -s ${FOLDER}/core/rd_mcp_0/memory ${GROUP}/lun/lun_0/memory
ln -s ${FOLDER}/core/fileio_0/file ${GROUP}/lun/lun_1/file`);
    return new LioTarget(dom0);
  }

  /**
   * Whether both disks have persistent reservations. Linux as a PV domain takes a fault where LIO itself writes more than a
   * page of a command's data, as that of READ KEYS may be: it maps the guest's pages once more, which Xen refuses.
   */
  async reserve(may: boolean): Promise<void> {
    await this.#dom0.run(`cd ${FOLDER}/core
echo ${may ? 1 : 0} | tee rd_mcp_0/memory/attrib/emulate_pr > fileio_0/file/attrib/emulate_pr`);
  }

  /** Copies what the disk in a file has to a file of the shared folder. */
  async copyFile(name: string): Promise<void> {
    await this.#dom0.run(`cp ${FILE} /host/${name}`);
  }

  /** Takes everything away again; fails where something is in use. */
  async remove(): Promise<void> {
    await this.#dom0.run(`set -e
cd ${FOLDER}
rm ${GROUP}/lun/lun_0/memory ${GROUP}/lun/lun_1/file
rmdir ${GROUP}/lun/lun_0 ${GROUP}/lun/lun_1
echo NULL > ${GROUP}/nexus
rmdir ${GROUP} xen-pvscsi/${WWN} xen-pvscsi core/rd_mcp_0/memory core/rd_mcp_0 core/fileio_0/file core/fileio_0
cd /
rmmod xen-scsiback
rm ${FILE}`);
  }
}
