// Knows how a domain's secret lies in a file: hexadecimal digits in one line, for its owner alone.

import { open } from "node:fs/promises";
import { ToolstackError } from "@pvscsi/toolstack";
import { SECRET_SIZE } from "@pvscsi/xenbus";

/** Whom a file's mode may let in: its owner. */
const OTHERS = 0o077;

export function secretText(secret: Uint8Array): string {
  return `${Buffer.from(secret).toString("hex")}\n`;
}

/**
 * Reads a secret. As ssh refuses a key that others may read, so is this one: it is what the domain is known by. Throws
 * ToolstackError; and as `open` does.
 */
export async function readSecret(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { mode } = await file.stat();
    if ((mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw new ToolstackError("INVAL", `${path}: its mode ${octal} is not for its owner alone: chmod 600 it`);
    }
    // No more than it has: the path may lead to what has no end.
    const text = Buffer.alloc(SECRET_SIZE * 2 + 3);
    const { bytesRead } = await file.read(text, 0, text.length, 0);
    const digits = text.toString("latin1", 0, bytesRead).replace(/\r?\n$/, "");
    if (digits.length !== SECRET_SIZE * 2 || !/^[0-9a-f]+$/i.test(digits)) {
      throw new ToolstackError("INVAL", `${path}: no secret in it, expecting ${SECRET_SIZE * 2} hexadecimal digits`);
    }
    return Buffer.from(digits, "hex");
  } finally {
    await file.close();
  }
}
