// Knows sha256sum of disks and files, and of parts of them.

import { createHash } from "node:crypto";
import { guestFiles } from "./files.js";
import { readNumber } from "./numbers.js";
import { print, type Tool } from "./tool.js";

const CHUNK = 1 << 20;
const USAGE = "FILE [OFFSET LENGTH]";

export const sha256sum: Tool = {
  usage: USAGE,
  summary: "prints the SHA-256 of a disk or file, or of LENGTH bytes of it from OFFSET on",
  async run({ guest, files }, words) {
    const [path, from = "0", bytes = String(Number.MAX_SAFE_INTEGER)] = words;
    const offset = readNumber(from);
    const length = readNumber(bytes);
    if (path === undefined || words.length === 2 || words.length > 3 || offset === null || length === null) {
      return print([`Usage: sha256sum ${USAGE}`], 1);
    }
    const file = await guestFiles(guest, files).open(path, "read", null);
    if (typeof file === "string") return print([`sha256sum: ${path}: ${file}`], 1);
    const hash = createHash("sha256");
    const chunk = new Uint8Array(CHUNK);
    for (let done = 0; done < length; ) {
      const read = await file.read(chunk.subarray(0, Math.min(CHUNK, length - done)), offset + done);
      if (typeof read === "string") return print([`sha256sum: ${path}: ${read}`], 1);
      if (read === 0) break;
      hash.update(chunk.subarray(0, read));
      done += read;
    }
    await file.close();
    return print([`${hash.digest("hex")}  ${path}`]);
  },
};
