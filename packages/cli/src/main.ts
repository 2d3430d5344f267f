#!/usr/bin/env node
// Knows the command line of pvscsi: which commands there are and what their words mean.

import { basename } from "node:path";
import { formatComparison, formatPlugs, selectWorkloads, WORKLOADS } from "@pvscsi/bench";
import type { VscsiDialect } from "@pvscsi/config";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { measure, TRANSPORT_NAMES } from "./benchmark.js";
import { stateFolder } from "./control-client.js";
import { runDemo } from "./demo.js";
import { addDoctorCommand } from "./doctor-command.js";
import { runDom0 } from "./dom0.js";
import { RESERVED } from "./domain-files.js";
import { DIALECTS } from "./domain-verbs.js";
import { type DoorWords, ISCSI_DOOR, VHOST_USER_DOOR } from "./doors.js";
import { endWithReader, Interrupts } from "./interrupts.js";
import { addIscsiCommand } from "./iscsi-command.js";
import { runJoin } from "./join.js";
import { parseListen } from "./nbd-command.js";
import { linePrinter } from "./printer.js";
import { type RemoteCaller, runRemotely } from "./remote-verb.js";
import { openReport } from "./report-file.js";
import { serveDisks } from "./serve.js";
import { runShell } from "./shell.js";
import { addTargetCommand } from "./target-command.js";
import { Exit, messageOf, type Outcome } from "./verb.js";
import { findVerb, VERBS } from "./verbs.js";
import { addVhostCommand } from "./vhost-command.js";
import type { Program } from "./voice.js";
import { addXenGuest } from "./xen-guest-command.js";
import { XEN_OPTION } from "./xen-host.js";
import { runXenServe } from "./xen-serve.js";
import { XEN_VERBS } from "./xen-verbs.js";
import { runXl } from "./xl.js";

/** Node keeps the name of the link that it was called by. */
const called = basename(process.argv[1] ?? "");
const interrupts = new Interrupts();
const printer = linePrinter(
  (text) => process.stdout.write(text),
  (text) => process.stderr.write(text),
);
endWithReader(process.stdout);

interface DemoWords {
  readonly host?: string;
  readonly dialect: VscsiDialect;
  readonly shell?: true;
  readonly serve?: true;
  readonly oneProcess?: true;
}

interface BenchWords {
  readonly transports?: readonly string[];
  readonly workloads: readonly string[];
  readonly rounds: number;
  readonly milliseconds: number;
  readonly plugs: number;
  readonly json?: true;
  readonly out?: string;
}

interface Dom0Words extends DoorWords {
  readonly host: string;
  readonly state?: string;
  readonly listen: { readonly host?: string; readonly port: number };
  readonly certificate?: string;
  readonly key?: string;
  readonly xenstoredSocket?: string;
}

interface JoinWords {
  readonly secret: string;
  readonly certificate?: string;
  readonly host?: string;
  readonly state?: string;
}

interface XenServeWords extends DoorWords {
  readonly lun?: readonly string[];
  readonly host?: string;
  readonly config?: string;
  readonly indirect: boolean;
  readonly unloadXenScsiback?: boolean;
}

const STATE = "(default: $PVSCSI_STATE, else $XDG_RUNTIME_DIR/pvscsi, else /run/pvscsi)";

const program = new Command("pvscsi")
  .enablePositionalOptions()
  .description("Xen paravirtualised SCSI, end to end")
  .exitOverride()
  .configureOutput({ outputError: (text, out) => out(text.replace(/^error: /, "pvscsi: ")) });

program
  .command("demo")
  .description(
    "a guest reaches disks of dom0 and of a driver domain, each a process, through scsifront, a granted ring and scsiback",
  )
  .argument("[cfg]", "the guest's domU.cfg; an embedded one when it is left out")
  .option("--host <file>", "dom0's devices (default: host.yaml beside the cfg)")
  .addOption(new Option("--dialect <dialect>", "how vscsi is read").choices(DIALECTS).default("libxl"))
  .addOption(
    new Option("--shell", "a prompt afterwards, with xl's verbs and commands inside the guest").conflicts("serve"),
  )
  .option("--serve", "stay up afterwards and serve the guest's disks over NBD")
  .option("--one-process", "dom0 and guest share this process; there is no driver domain")
  .addHelpText("after", "\nExample: pvscsi demo configs/domU.cfg --shell")
  .action(async (config: string | undefined, words: DemoWords) => {
    const { host, dialect, oneProcess = false } = words;
    const interrupted = interrupts.next();
    const more = { printer, interrupted, afterwards: afterwardsOf(words) };
    process.exitCode = await runDemo({ config, host, dialect, oneProcess, ...more });
    // Whatever a step was about when it was told to end goes on until now, a measurement for one.
    void interrupted.then((status) => process.exit(status));
  });

program
  .command("bench")
  .description("compare transports: the same blocks over each, beside a bare copy of them")
  .addOption(new Option("--transports <names...>", "those to measure (default: all)").choices(TRANSPORT_NAMES))
  .option("--workloads <words...>", "those whose names contain a word (default: all)", workloadWord, [])
  .option("--rounds <n>", "rounds that count", wholeNumber, 5)
  .option("--milliseconds <n>", "of each transport in a round", wholeNumber, 300)
  .option("--plugs <n>", "plugs of a device on each way to tell a guest of it; 0 leaves them out", numberOfPlugs, 20)
  .option("--json", "print the figures as JSON")
  .option("--out <file>", "write the figures to a file as well, as JSON")
  .addHelpText("after", `\nWorkloads: ${WORKLOADS.map(({ name }) => name).join(", ")}`)
  .addHelpText("after", "\nExample: pvscsi bench --workloads 4k --rounds 5")
  .action(async ({ json, out, ...settings }: BenchWords) => {
    const file = out === undefined ? null : await openReport(out);
    const report = await measure(settings);
    const text = `${JSON.stringify(report, null, 2)}\n`;
    await file?.finish(text);
    const plugs = report.plugs.length > 0 ? `\n\n${formatPlugs(report.plugs)}` : "";
    printer.print(json ? text : `${formatComparison(report.rows)}${plugs}`);
  });

program
  .command("dom0")
  .description(
    "a dom0 with its devices and guests, until Ctrl-C or SIGTERM; the verbs below reach it from other shells",
  )
  .option("--host <file>", "dom0's devices", "configs/host.yaml")
  .option("--state <dir>", `where its control.sock is ${STATE}`)
  .option("--listen <[addr:]port>", "where domains connect to", listenAddress, { port: 0 })
  .option("--certificate <file>", "PEM: domains connect by TLS; needs --key")
  .option("--key <file>", "PEM: the certificate's key; needs --certificate")
  .option("--xenstored-socket <path>", "where xenstored listens for Xen's own clients, as domain 0")
  .addOption(ISCSI_DOOR)
  .addOption(VHOST_USER_DOOR)
  .addHelpText("after", "\nExample: pvscsi dom0 --host configs/host.yaml --state /tmp/dom0")
  .action(async ({ host, state, listen, certificate, key, xenstoredSocket, ...doors }: Dom0Words) => {
    if ((certificate === undefined) !== (key === undefined)) {
      program.error("error: --certificate and --key are given together", { exitCode: Exit.usage });
    }
    const ended = () => interrupts.next();
    const tls = certificate === undefined || key === undefined ? undefined : { certificate, key };
    const more = { state: stateFolder(state, process.env), xenstoredSocket, doors, printer, ended };
    process.exitCode = await runDom0({ host, listen, tls, ...more });
  });

program
  .command("join")
  .description(
    "run a domain that a dom0, on whatever machine, has made by create --elsewhere, until Ctrl-C or SIGTERM, or until that dom0 ends it",
  )
  .argument("<url>", "where the dom0's domains connect to, ws://HOST:PORT or wss://HOST:PORT", hubAddress)
  .argument("<domid>", "the domain's number", domainNumber)
  .requiredOption("--secret <file>", "a copy of the secret that the dom0 has written, for its owner alone (mode 0600)")
  .option("--certificate <file>", "PEM of whom to trust for wss, when it is not a public authority")
  .option("--host <file>", "a driver domain's devices; relative paths in it begin at its folder")
  .option("--state <dir>", `where its control.sock is, for guest DOM -- COMMAND ${STATE}`)
  .addHelpText("after", "\nExample: pvscsi join wss://dom0.example:7680 1 --secret guest.secret --certificate cert.pem")
  .action(async (url: URL, domain: number, { state, ...words }: JoinWords) => {
    if (words.certificate !== undefined && url.protocol === "ws:") {
      program.error("error: --certificate is for wss", { exitCode: Exit.usage });
    }
    const ended = () => interrupts.next();
    const folder = stateFolder(state, process.env);
    try {
      process.exitCode = await runJoin({ ...words, url: url.origin, domain, state: folder, printer, ended });
    } finally {
      // What is still under way was for a hub that is gone, or has been left.
      setImmediate(() => process.exit());
    }
  });

const xen = program.command("xen").description("on a real Xen host");

xen
  .command("serve")
  .description(
    "scsiback of this domain, dom0 or a driver domain, for front ends of any kind, until Ctrl-C or SIGTERM; needs root and koffi",
  )
  .addOption(
    new Option(
      "--lun <word>",
      "a LUN: FILE, mem:SIZE or null:SIZE, then ,key=value; repeatable: their p-devs are 0:0:0:0 on",
    )
      .argParser((word: string, before: readonly string[] = []) => [...before, word])
      .conflicts("host"),
  )
  .option("--host <file>", "a host.yaml with the devices; p-devs are their names there")
  .addOption(
    new Option(
      "--config <file>",
      "LIO's saveconfig.json; p-devs are naa.WWN:LUN and ALIAS:LUN of its xen-pvscsi targets",
    ).conflicts(["lun", "host"]),
  )
  .option("--no-indirect", "do not offer requests with indirect segments (feature-sg-grant)")
  .option("--unload-xen-scsiback", "unload the kernel's own back end first; guests that it serves lose their devices")
  .addOption(ISCSI_DOOR)
  .addOption(VHOST_USER_DOOR)
  .addHelpText("after", "\nExample: pvscsi xen serve --lun disk.img,size=1GiB --lun mem:64MiB")
  .action(
    async ({ lun: luns = [], host, config, indirect, unloadXenScsiback: unload = false, ...doors }: XenServeWords) => {
      if (luns.length === 0 && host === undefined && config === undefined) {
        program.error("error: name what is to be served: --lun WORD, --host FILE or --config FILE", {
          exitCode: Exit.usage,
        });
      }
      process.exitCode = await runXenServe({
        luns,
        host,
        config,
        indirect,
        unload,
        doors,
        printer,
        ended: () => interrupts.next(),
      });
    },
  );

addXenGuest(xen, {
  printer,
  input: process.stdin,
  ended: () => interrupts.next(),
  finish: (status) => {
    process.exitCode = status;
  },
});

addDoctorCommand(program, printer, (status) => {
  process.exitCode = status;
});

addIscsiCommand(program, {
  printer,
  ended: () => interrupts.next(),
  finish: (outcome) => {
    process.exitCode = finish(outcome);
  },
});

addVhostCommand(program, {
  printer,
  ended: () => interrupts.next(),
  finish: (outcome) => {
    process.exitCode = finish(outcome);
  },
});

addTargetCommand(program, {
  printer,
  input: process.stdin,
  output: process.stdout,
  finish: (status) => {
    process.exitCode = status;
  },
});

program.addHelpText(
  "after",
  `\nVerbs, run by dom0 (--state DIR says which): ${VERBS.map(({ name }) => name).join(", ")}
On a Xen host, for xl's guests, with ${XEN_OPTION}: ${XEN_VERBS.map(({ name }) => name).join(", ")}`,
);

function afterwardsOf({ shell, serve }: DemoWords): Parameters<typeof runDemo>[0]["afterwards"] {
  if (serve) return (shown) => serveDisks(shown, printer, () => interrupts.next());
  if (!shell) return undefined;
  const terminal = process.stdin.isTTY ? process.stdout : null;
  return ({ system }) => runShell(system, { input: process.stdin, printer, terminal });
}

function listenAddress(text: string): Dom0Words["listen"] {
  const address = parseListen(text);
  if (address === null) throw new InvalidArgumentError("Expected a port, or ADDR:PORT.");
  return address;
}

function hubAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const { protocol, username, password, pathname, search, hash } = url ?? {};
  const bare = `${username}${password}${pathname}${search}${hash}` === "/";
  if (url === null || !bare || !(protocol === "ws:" || protocol === "wss:")) {
    throw new InvalidArgumentError("Expected ws://HOST:PORT or wss://HOST:PORT.");
  }
  return url;
}

function domainNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) >= RESERVED) throw new InvalidArgumentError("Expected a number.");
  return Number(text);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return Number(text);
}

function numberOfPlugs(text: string): number {
  return text === "0" ? 0 : wholeNumber(text);
}

function workloadWord(word: string, before: readonly string[]): readonly string[] {
  if (selectWorkloads([word]).length === 0) throw new InvalidArgumentError("No workload's name contains it.");
  return [...before, word];
}

/** Says what a person can do something about, and gives xl's exit code for it; everything else is our mistake. */
function told(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.done : Exit.usage;
  const message = messageOf(error, called === "xl" ? null : "pvscsi");
  if (message === null) throw error;
  printer.error(message);
  return Exit.failed;
}

/** A verb's words are its own: commander would take dashes that are meant for a command in a guest. */
async function runCommandLine([name, ...words]: readonly string[]): Promise<void> {
  const verb = findVerb(name);
  if (verb === undefined) {
    await program.parseAsync();
    return;
  }
  process.exitCode = finish(await runRemotely(verb, words, caller("pvscsi")));
}

/** Who runs a verb of another process. */
function caller(program: Program): RemoteCaller {
  const print = (text: string): void => printer.print(text);
  const interrupted = () => interrupts.next();
  return { program, directory: process.cwd(), print, environment: process.env, interrupted };
}

/** Errors first: behind xl's come lines of help. */
function finish({ output, errors, status }: Outcome): number {
  printer.error(errors);
  printer.print(output);
  return status;
}

try {
  const words = process.argv.slice(2);
  if (called === "xl") process.exitCode = finish(await runXl(words, caller("xl")));
  else await runCommandLine(words);
} catch (error) {
  process.exitCode = told(error);
}
