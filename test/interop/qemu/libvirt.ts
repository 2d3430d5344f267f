// Knows what libvirt itself says of the XML that is printed for it: its own schema takes it, put into a domain that has the rest.

import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { SuiteContext } from "../suite.js";

/** Debian packages of the validator, of libvirt's schemas, and of xmllint, which it runs. */
export const LIBVIRT_PACKAGES = ["libvirt-clients", "libvirt0", "libxml2-utils"];

/** What a domain has to have besides. */
const REST = [
  "  <name>guest</name>",
  "  <memory unit='GiB'>1</memory>",
  "  <os><type arch='x86_64' machine='q35'>hvm</type></os>",
];

/** A path with what XML and QEMU take for their own. */
const PATH = "a, b & 'c'.sock";

export async function validateXml(context: SuiteContext): Promise<string> {
  const words = ["vhost-user", "serve", "--socket", context.path(PATH), "--queues", "4", "--lun", "mem:1MiB"];
  const server = context.start(process.execPath, MAIN, ...words);
  const said: string[] = [];
  do said.push(await server.readLine());
  while (!said.at(-1)?.startsWith("serving "));
  await server.end();
  const lines = said.slice(
    said.findIndex((line) => line.startsWith("<domain")),
    said.indexOf("</domain>") + 1,
  );
  expect(lines.length, said.join("\n")).to.be.above(5);
  const file = context.path("domain.xml");
  await writeFile(file, [lines[0], ...REST, ...lines.slice(1)].join("\n"));
  await context.succeed("virt-xml-validate", file, "domain");
  return `${lines.length} lines, in a domain of ${lines.length + REST.length}`;
}
