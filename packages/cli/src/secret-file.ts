// Knows how a secret lies in a file, for its owner alone: a domain's as hexadecimal digits in one line, CHAP's as that line.

import { open } from "node:fs/promises";
import { ToolstackError } from "@pvscsi/toolstack";
import { SECRET_SIZE } from "@pvscsi/xenbus";

/** Whom a file's mode may let in: its owner. */
const OTHERS = 0o077;

export function secretText(secret: Uint8Array): string {
  return `${Buffer.from(secret).toString("hex")}\n`;
}

/** Reads a domain's secret. Throws ToolstackError; and as `open` does. */
export async function readSecret(path: string): Promise<Buffer> {
  const digits = await readLine(path, SECRET_SIZE * 2);
  if (digits?.length !== SECRET_SIZE * 2 || !/^[0-9a-f]+$/i.test(digits)) {
    throw new ToolstackError("INVAL", `${path}: no secret in it, expecting ${SECRET_SIZE * 2} hexadecimal digits`);
  }
  return Buffer.from(digits, "hex");
}

/** RFC 7143 12.1.3 wants 96 bits; many initiators take no more than 255 characters. */
const LEAST_CHAP = 12;
const MOST_CHAP = 255;

/** Reads a secret of CHAP, as its bytes. Throws ToolstackError; and as `open` does. */
export async function readChapSecret(path: string): Promise<Uint8Array> {
  const line = await readLine(path, MOST_CHAP);
  if (line === null || line.length < LEAST_CHAP) {
    const wanted = `one line of ${LEAST_CHAP} to ${MOST_CHAP} characters`;
    throw new ToolstackError("INVAL", `${path}: no CHAP secret in it, expecting ${wanted}`);
  }
  return Buffer.from(line, "latin1");
}

/**
 * The only line of a file, which has no more than `most` bytes; null where there is more. As ssh refuses a key that
 * others may read, so is this one: it is what somebody is known by.
 */
async function readLine(path: string, most: number): Promise<string | null> {
  const file = await open(path, "r");
  try {
    const { mode } = await file.stat();
    if ((mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, "0");
      throw new ToolstackError("INVAL", `${path}: its mode ${octal} is not for its owner alone: chmod 600 it`);
    }
    // No more than it has: the path may lead to what has no end.
    const text = Buffer.alloc(most + 3);
    const { bytesRead } = await file.read(text, 0, text.length, 0);
    const line = text.toString("latin1", 0, bytesRead).replace(/\r?\n$/, "");
    return line.length <= most && !/[\r\n]/.test(line) ? line : null;
  } finally {
    await file.close();
  }
}
