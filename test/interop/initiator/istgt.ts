// Knows Debian's istgt as a process of its own on this machine's loopback: one target whose LUN 0 is a disk over a file.

import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";
import { freePort } from "../tgt/daemon.js";

const NODE = "iqn.2026-11.localhost";
/** How often it is looked whether it listens, and how long is waited in between, in milliseconds. */
const TRIES = 500;
const BETWEEN = 10;

const SETTINGS = {
  LogFacility: "local7",
  Timeout: "30",
  NopInInterval: "20",
  DiscoveryAuthMethod: "Auto",
  MaxSessions: "16",
  MaxConnections: "4",
  MaxR2T: "16",
  MaxOutstandingR2T: "16",
  DefaultTime2Wait: "2",
  DefaultTime2Retain: "60",
  FirstBurstLength: "262144",
  MaxBurstLength: "1048576",
  MaxRecvDataSegmentLength: "262144",
  InitialR2T: "Yes",
  ImmediateData: "Yes",
  DataPDUInOrder: "Yes",
  DataSequenceInOrder: "Yes",
  ErrorRecoveryLevel: "0",
} as const;

export class Istgt {
  readonly target = `${NODE}:disk`;
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Serves `file`, which is there and has its size. */
  static async start(context: SuiteContext, file: string): Promise<Istgt> {
    const [port, control] = [await freePort(), await freePort()];
    const [settings, accounts, pid] = ["istgt", "accounts", "pid"].map((name) => context.freshPath(name));
    const section = (name: string, lines: Readonly<Record<string, string>>): string =>
      `[${name}]\n${Object.entries(lines)
        .map(([key, value]) => `  ${key} ${value}\n`)
        .join("")}`;
    const words = [
      section("Global", { NodeBase: `"${NODE}"`, PidFile: pid, AuthFile: accounts, ...SETTINGS }),
      section("UnitControl", { AuthMethod: "Auto", Portal: `UC1 127.0.0.1:${control}`, Netmask: "127.0.0.1" }),
      section("PortalGroup1", { Portal: `DA1 127.0.0.1:${port}` }),
      section("InitiatorGroup1", { InitiatorName: '"ALL"', Netmask: "ALL" }),
      section("LogicalUnit1", {
        TargetName: "disk",
        Mapping: "PortalGroup1 InitiatorGroup1",
        AuthMethod: "Auto",
        UseDigest: "Auto",
        UnitType: "Disk",
        LUN0: `Storage ${file} Auto`,
      }),
    ];
    await writeFile(settings, words.join(""), { mode: 0o600 });
    await writeFile(accounts, "", { mode: 0o600 });
    const child = context.start("istgt", "-D", "-c", settings);
    await listens(port);
    return new Istgt(child, port);
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}

async function listens(port: number): Promise<void> {
  for (let i = 0; i < TRIES; i++) {
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("error", () => resolve(false));
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
  }
  throw new Error("istgt does not listen");
}
