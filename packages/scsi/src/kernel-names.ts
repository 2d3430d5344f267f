// Knows what Linux calls disks. dom0 and its guests both do. Knows no device.

const LETTERS = 26;

/** The name of SCSI disk `index`: sda to sdz, sdaa to sdzz, sdaaa and so on. */
export function diskName(index: number): string {
  return `sd${diskLetters(index)}`;
}

/** What follows the driver's own letters in the name of disk `index`, as the kernel's sd_format_disk_name has it. */
export function diskLetters(index: number): string {
  let letters = "";
  for (let left = index; left >= 0; left = Math.floor(left / LETTERS) - 1) {
    letters = String.fromCharCode(97 + (left % LETTERS)) + letters;
  }
  return letters;
}

/** The number of the SCSI disk of that name, as `diskName` takes it; undefined where none is called so. */
export function diskIndex(name: string): number | undefined {
  const letters = /^sd([a-z]{1,6})$/.exec(name)?.[1];
  if (letters === undefined) return undefined;
  let index = 0;
  for (const letter of letters) index = index * LETTERS + letter.charCodeAt(0) - 96;
  return index - 1;
}
