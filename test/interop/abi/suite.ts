// Knows how a C compiler is asked whether our tables are those of Xen's and Linux' own headers.

import { writeFile } from "node:fs/promises";
import * as virtio from "@pvscsi/virtio";
import type { Cursor, StructClass } from "@pvscsi/wire";
import * as xen from "@pvscsi/xen";
import { expect } from "chai";
import { parseAbiDump } from "../../support/abi-dump.js";
import type { StructInC } from "../../support/c-names.js";
import { goldenText } from "../../support/repository.js";
import { XEN_CONSTANTS, XEN_STRUCTS } from "../../support/xen-in-c.js";
import type { Suite, SuiteContext } from "../suite.js";
import {
  type Claim,
  claim,
  constantClaims,
  differences,
  layoutClaims,
  memberClaims,
  programOf,
  textClaim,
} from "./claims.js";
import { LINUX_CONSTANTS, LINUX_HEADERS, LINUX_SIZES, LINUX_STRUCTS, VIRTIO_STRUCTS } from "./linux-in-c.js";

const XEN_HEADERS = [
  "errno.h",
  "xen/xen.h",
  "xen/grant_table.h",
  "xen/event_channel.h",
  "xen/io/ring.h",
  "xen/io/xenbus.h",
  "xen/io/xs_wire.h",
  "xen/io/vscsiif.h",
  "xen/io/protocols.h",
];

export const abiSuite: Suite = {
  name: "abi",
  judges: "gcc with Xen's public headers and Linux': every struct and constant of our tables",
  packages: ["gcc", "libc6-dev", "libxen-dev", "linux-libc-dev"],
  default: true,
  budgetSeconds: 45,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  const version = async (name: string) =>
    (await context.succeed("dpkg-query", "--show", name)).trim().replace("	", " ");
  const compare = async (headers: readonly string[], claims: readonly Claim[]) => {
    const wrong = differences(claims, await compile(context, headers, claims));
    expect(wrong, wrong.join("; ")).to.have.length(0);
    return `${claims.length} sizes, offsets and values`;
  };
  await context.check("every struct of ours is in the comparison", async () => {
    return `Xen: ${allCompared(xen, XEN_STRUCTS)}, virtio: ${allCompared(virtio, VIRTIO_STRUCTS)}`;
  });
  await context.check("Xen's headers say what our tables say", async () => {
    return `${await compare(XEN_HEADERS, xenClaims())}; ${await version("libxen-dev")}`;
  });
  await context.check("Xen's headers say what was recorded of them", () => compare(XEN_HEADERS, recordedClaims()));
  await context.check("Linux' headers say what our tables say of virtio, vhost and Xen's device nodes", async () => {
    return `${await compare(LINUX_HEADERS, linuxClaims())}; ${await version("linux-libc-dev")}`;
  });
  await context.check("each of them would be noticed if it were another", () => judgeNotice(context));
}

/** What the program prints that gcc makes of the claims; rejects with the first thing that gcc complains about. */
async function compile(context: SuiteContext, headers: readonly string[], claims: readonly Claim[]): Promise<string> {
  const [source, program] = [context.freshPath("claims.c"), context.freshPath("claims")];
  await writeFile(source, programOf(headers, claims));
  // Xen's headers give tools more than guests.
  const words = ["-x", "c", "-std=gnu11", "-Wall", "-Werror", "-D__XEN_TOOLS__", "-o", program, source];
  const { status, errors } = await context.run("gcc", ...words);
  if (status !== 0) throw new Error(errors.split("\n").find((line) => line.includes("error:")) ?? `gcc: ${status}`);
  return await context.succeed(program);
}

function xenClaims(): Claim[] {
  const errors = Object.entries(xen.XsdErrno);
  return [
    ...XEN_STRUCTS.flatMap(layoutClaims),
    ...XEN_CONSTANTS.flatMap(constantClaims),
    claim("sizeof(xsd_errors) / sizeof(xsd_errors[0])", errors.length),
    ...errors.flatMap(([name, value], i) => [
      claim(`xsd_errors[${i}].errnum`, value),
      textClaim(`xsd_errors[${i}].errstring`, name),
    ]),
    ...Object.entries(xen.IoProtocol).map(([machine, name]) => {
      return textClaim(`XEN_IO_PROTO_ABI_${machine.toUpperCase()}`, name);
    }),
  ];
}

function linuxClaims(): Claim[] {
  return [...LINUX_STRUCTS.flatMap(layoutClaims), ...LINUX_CONSTANTS.flatMap(constantClaims), ...LINUX_SIZES];
}

/** The golden dump, what is not ours of it included. */
function recordedClaims(): Claim[] {
  const { structs, constants } = parseAbiDump(goldenText("abi-dump-x86_64.txt"));
  const layouts = [...structs].flatMap(([name, { size, fields }]) => {
    const type = recordedType(name);
    const members = [...fields].filter(([field]) => field !== "ring");
    const places = members.flatMap(([field, place]) => memberClaims(type, field, place.offset, place.size));
    return [claim(`sizeof(${type})`, size), ...places];
  });
  return [...layouts, ...[...constants].map(([name, value]) => claim(name, value))];
}

/** What C calls a struct that the dump calls so. */
function recordedType(name: string): string {
  if (name.endsWith("_t")) return name;
  if (name === "vscsiif_sring_entry") return `union ${name}`;
  return name.endsWith("_ring") && !name.startsWith("vscsiif") ? `struct vscsiif_${name}` : `struct ${name}`;
}

/** How many structs a package offers; fails with those that are in no row. */
function allCompared(offered: object, rows: readonly StructInC[]): number {
  const structs = Object.values(offered).filter(
    (value): value is StructClass<Cursor> => typeof value === "function" && "structName" in value,
  );
  const compared = new Set(rows.map(({ struct }) => struct));
  const left = structs.filter((struct) => !compared.has(struct)).map(({ structName }) => structName);
  expect(left, "structs that nobody compares").to.deep.equal([]);
  return structs.length;
}

async function judgeNotice(context: SuiteContext): Promise<string> {
  let noticed = 0;
  for (const [headers, claims] of [
    [XEN_HEADERS, xenClaims()],
    [LINUX_HEADERS, linuxClaims()],
  ] as const) {
    const printed = await compile(context, headers, claims);
    for (const [i, { expression, value }] of claims.entries()) {
      const found = differences(claims.with(i, { expression, value: value + 1n }), printed);
      expect(found).to.deep.equal([`${expression} is ${value}, not ${value + 1n}`]);
      noticed += 1;
    }
  }
  return `${noticed} of ${noticed}`;
}
