// Knows what Linux calls SCSI disks. dom0 and its guests both do. Knows no device.

const LETTERS = 26;

/** The name of disk `index`, as the kernel's sd_format_disk_name has it: sda to sdz, sdaa to sdzz, sdaaa and so on. */
export function diskName(index: number): string {
  let letters = "";
  for (let left = index; left >= 0; left = Math.floor(left / LETTERS) - 1) {
    letters = String.fromCharCode(97 + (left % LETTERS)) + letters;
  }
  return `sd${letters}`;
}
