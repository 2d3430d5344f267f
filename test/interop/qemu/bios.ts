// Knows a disk that a BIOS starts from: 512 bytes that write a word to the first serial port. SeaBIOS finds them with its own driver.

import { writeFile } from "node:fs/promises";
import { Machine } from "../linux/machine.js";
import type { SuiteContext } from "../suite.js";
import { machineWords } from "./guest.js";

const SECTOR = 512;
/** Where a BIOS loads the sector. */
const LOADED = 0x7c00;
/** What the sector ends with, or no BIOS starts it. */
const SIGNATURE = [0x55, 0xaa];
const WORD = "LBA 0 IS HERE";
const SECONDS = 30;

/** Sixteen-bit code; the text stands behind it. */
const CODE_LENGTH = 22;
const CODE = [
  ...[0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
  ...[0xfc, 0xbe, (LOADED + CODE_LENGTH) & 0xff, (LOADED + CODE_LENGTH) >> 8], // cld; mov si, text
  ...[0xba, 0xf8, 0x03], // mov dx, 0x3f8
  ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // next: lodsb; test al, al; jz end; out dx, al; jmp next
  ...[0xf4, 0xeb, 0xfd], // end: hlt; jmp end
];

/** Writes a disk's first sector. */
export async function writeBootSector(file: string): Promise<void> {
  const sector = Buffer.alloc(SECTOR);
  sector.set([...CODE, ...Buffer.from(`\r\n${WORD}\r\n\0`)]);
  sector.set(SIGNATURE, SECTOR - SIGNATURE.length);
  await writeFile(file, sector, { flag: "r+" });
}

/** Starts a machine that has only a BIOS and that disk; resolves when the word has come. */
export async function startFromDisk(context: SuiteContext, words: readonly string[]): Promise<string> {
  const machine = new Machine(context, [...machineWords(128), ...words]);
  let text = "";
  let over = false;
  void (async () => {
    while (!over) text += `${await machine.readLine()}\n`;
  })().catch(() => {});
  await machine.until(async () => text.includes(WORD), SECONDS, "the BIOS starts from the disk");
  over = true;
  await machine.end();
  return WORD;
}
