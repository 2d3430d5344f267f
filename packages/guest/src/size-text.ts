// Knows how Linux writes a size for people: three significant digits, rounded half up, in powers of 1000 or of 1024.

const UNITS = {
  decimal: { base: 1000n, names: ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"] },
  binary: { base: 1024n, names: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] },
} as const;

/** `15.0 GB` or `14.0 GiB` for so many bytes, as the kernel's string_get_size writes it: 1000 bytes are `1.00 kB`. */
export function sizeText(bytes: number, units: keyof typeof UNITS): string {
  const { base, names } = UNITS[units];
  let whole = BigInt(bytes);
  let rest = 0n;
  let power = 0;
  for (; whole >= base; power++) {
    rest = whole % base;
    whole /= base;
  }
  if (bytes === 0) return `0 ${names[0]}`;
  const digits = whole >= 100n ? 0 : whole >= 10n ? 1 : 2;
  // The rounding carries into the whole part once only: 999.96 stays "1000", as the kernel has it.
  let thousandths = (rest * 1000n) / base + [500n, 50n, 5n][digits];
  if (thousandths >= 1000n) {
    thousandths -= 1000n;
    whole += 1n;
  }
  const fraction = digits === 0 ? "" : `.${thousandths.toString().padStart(3, "0").slice(0, digits)}`;
  return `${whole}${fraction} ${names[power]}`;
}
