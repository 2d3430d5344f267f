// Knows how GNU dd writes sizes, times and rates.

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

function scale(value: number, base: number): { readonly value: number; readonly power: number } {
  let power = 0;
  for (; value >= base && power < DECIMAL.length - 1; power++) value /= base;
  return { value, power };
}

/** `268 MB`: one decimal below ten, none above; null where it has no prefix. */
function sizeText(bytes: number, base: number, units: readonly string[]): string | null {
  const { value, power } = scale(bytes, base);
  if (power === 0) return null;
  const tenths = value.toFixed(1);
  return `${Number(tenths) < 10 ? tenths : Math.round(value)} ${units[power]}`;
}

/** `4096 bytes (4.1 kB, 4.0 KiB)`. */
export function byteCountText(bytes: number): string {
  const plain = bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const sizes = [sizeText(bytes, 1000, DECIMAL), sizeText(bytes, 1024, BINARY)].filter((size) => size !== null);
  return sizes.length === 0 ? plain : `${plain} (${sizes.join(", ")})`;
}

/** As C's %g: six significant digits, without zeros at the end. */
export function secondsText(seconds: number): string {
  if (seconds === 0) return "0";
  const exponent = Math.floor(Math.log10(seconds));
  if (exponent >= -4 && exponent < 6) return String(Number(seconds.toPrecision(6)));
  const [digits, power] = seconds.toExponential(5).split("e");
  const sign = power[0];
  return `${String(Number(digits))}e${sign}${power.slice(1).padStart(2, "0")}`;
}

/** `386 MB/s`: one decimal below a hundred; `Infinity B/s` when no time has passed. */
export function rateText(bytes: number, seconds: number): string {
  if (seconds <= 0) return "Infinity B/s";
  const { value, power } = scale(bytes / seconds, 1000);
  // A rate has a prefix always, for it is counted in nanoseconds.
  const [shown, unit] = power === 0 ? [value / 1000, "kB"] : [value, DECIMAL[power]];
  const tenths = shown.toFixed(1);
  return `${tenths.length <= 4 ? tenths : shown.toFixed(0)} ${unit}/s`;
}
