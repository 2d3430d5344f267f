// Knows how the dialogue is recorded again: by the xenstored that XENSTORED_PATH leads to, which has to be Xen's own, and new.
// `node test/dist/interop/xenstore/record.js FILE`.

import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { Children } from "../children.js";
import { Clients } from "./clients.js";
import { type Part, parseDialogue, printDialogue } from "./dialogue.js";

const [file] = process.argv.slice(2);
const children = new Children(tmpdir());
const clients = new Clients(process.env.XENSTORED_PATH ?? "", (program, ...words) => children.start(program, words));
const parts: Part[] = [];
for (const part of parseDialogue(await readFile(file, "utf8"))) parts.push(await clients.play(part));
await writeFile(file, printDialogue(parts));
