// Knows the command line of `pvscsi iscsi`.

import { type Authentication, type ChapAccount, normalName } from "@pvscsi/iscsi";
import { Target } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Command, InvalidArgumentError, Option } from "commander";
import { addBusCommands } from "./bus-commands.js";
import { askBus } from "./bus-control.js";
import { planOfWords } from "./device-bus.js";
import { type IscsiPlan, iscsiPlanOfFile, type ListenWord, portalsOf } from "./iscsi-plan.js";
import { runIscsiServe } from "./iscsi-serve.js";
import { parseListen } from "./nbd-command.js";
import type { Printer } from "./printer.js";
import { readChapSecret } from "./secret-file.js";
import { Exit, type Outcome } from "./verb.js";

interface ServeWords {
  readonly listen?: readonly ListenWord[];
  readonly advertise?: readonly string[];
  readonly lun?: readonly string[];
  readonly config?: string;
  readonly name: string;
  readonly initiator?: readonly string[];
  readonly cmdsnDepth?: number;
  readonly control?: string;
  readonly chapUser?: string;
  readonly chapFile?: string;
  readonly chapTargetUser?: string;
  readonly chapTargetFile?: string;
}

export interface IscsiCommandParts {
  readonly printer: Printer;
  readonly ended: () => Promise<unknown>;
  readonly finish: (outcome: Outcome) => void;
}

const MAX_TAG = 0xffff;
/** As LIO's. */
const MAX_CMDSN_DEPTH = 512;
/** RFC 7143 4.2.7.4; nobody else may own `localhost`. */
export const DEFAULT_NAME = "iqn.2026-11.localhost:pvscsi";

/** Adds the command and its own commands to a program. */
export function addIscsiCommand(program: Command, parts: IscsiCommandParts): void {
  const command = program.command("iscsi").description("disks for iSCSI initiators, over TCP");
  addServe(command, program, parts);
  addBusCommands(command, {
    socket: "the server's --control",
    place: "LUN",
    first: "the first that is free",
    others: "initiators",
    ask: async (socket, ...words) => {
      const request = { words, directory: process.cwd(), program: "pvscsi" } as const;
      parts.finish(await askBus(socket, request, { who: socket, start: "pvscsi iscsi serve --control" }));
    },
  });
}

function addServe(command: Command, program: Command, { printer, ended }: IscsiCommandParts): void {
  command
    .command("serve")
    .description("serve an iSCSI target, until Ctrl-C or SIGTERM")
    .addOption(
      new Option(
        "--listen <[addr:]port[,tag]>",
        "a portal where initiators connect to, and the tag of its portal group; repeatable (default: 127.0.0.1:3260, 1)",
      ).argParser((word: string, before: readonly ListenWord[] = []) => [...before, listenWord(word)]),
    )
    .addOption(
      new Option(
        "--advertise <addr:port>",
        "what initiators are told instead, behind NAT or a forwarded port; repeatable: for the first --listen, and so on",
      ).argParser((word: string, before: readonly string[] = []) => [...before, advertised(word)]),
    )
    .addOption(
      new Option("--lun <word>", "a LUN: FILE, mem:SIZE or null:SIZE, then ,key=value; repeatable: LUN 0, 1 and so on")
        .argParser((word: string, before: readonly string[] = []) => [...before, word])
        .conflicts("config"),
    )
    .option(
      "--config <file>",
      "LIO's saveconfig.json: its iSCSI targets and their portals, with who may log in and what each has to prove",
    )
    .option("--name <iqn>", "the target's name", targetName, DEFAULT_NAME)
    .addOption(
      new Option("--initiator <iqn>", "an initiator that may log in; repeatable (default: all may)").argParser(
        (word: string, before: readonly string[] = []) => [...before, targetName(word)],
      ),
    )
    .option("--cmdsn-depth <number>", "commands that a session may have under way (default: 128)", cmdsnDepth)
    .option("--control <path>", "a Unix socket where attach, detach, resize, insert, eject, list and alua reach it")
    .option("--chap-user <name>", "who initiators have to be; needs --chap-file")
    .option("--chap-file <file>", "that user's secret, in one line, for its owner alone (mode 0600)")
    .option("--chap-target-user <name>", "who the target is, for initiators that ask; needs --chap-target-file")
    .option("--chap-target-file <file>", "the target's secret, likewise")
    .addHelpText("after", "\nExample: pvscsi iscsi serve --lun disk.img,size=1GiB --lun mem:64MiB")
    .action(async (words: ServeWords) => {
      const { listen, advertise, control, config } = words;
      const wrong = wrongWords(words);
      if (wrong !== null) return program.error(`error: ${wrong}`, { exitCode: Exit.usage });
      const served = config === undefined ? await planOfCommand(words) : await iscsiPlanOfFile(config, listen);
      process.exitCode = await runIscsiServe({ ...served, advertise, control, printer, ended });
    });
}

/** One target, with the LUNs and for the initiators that were named. Its portal groups are its ports, and lead to every LUN. */
async function planOfCommand(words: ServeWords): Promise<IscsiPlan> {
  const { lun: luns = [], name, initiator, cmdsnDepth: depth } = words;
  const { listen, groups } = portalsOf(words.listen);
  const authentication = await authenticationOf(words);
  const target = new Target(
    "0:0",
    groups.map(({ port }) => port),
  );
  const found = { target, authentication };
  const initiators = new Map((initiator ?? []).map((each) => [each, found]));
  const portGroups = groups.map(({ tag, port }) => ({ id: tag, name: `tpg${tag}`, ports: [port] }));
  return {
    plan: planOfWords(luns, groups.length > 1 ? portGroups : []),
    listen,
    places: [target],
    targets: [
      {
        name,
        groups: groups.map(({ tag, port, portals }) => {
          return {
            tag,
            portals,
            targetPort: port,
            ...(depth === undefined ? {} : { depth }),
            initiators,
            others: initiator === undefined ? found : null,
            place: 0,
          };
        }),
      },
    ],
  };
}

/** What options say only together. */
function wrongWords(words: ServeWords): string | null {
  const { listen, advertise, lun, config, control, initiator, chapUser, chapFile, chapTargetUser, chapTargetFile } =
    words;
  if (config !== undefined && (initiator ?? chapUser ?? chapTargetUser ?? words.cmdsnDepth) !== undefined) {
    return "--config says who may log in: it stands without --initiator, --cmdsn-depth and --chap options";
  }
  if ((advertise?.length ?? 0) > (listen?.length ?? 1)) return "--advertise is given more often than --listen";
  if (lun === undefined && control === undefined && config === undefined) {
    return "name what is to be served: --lun WORD, --config FILE, or --control PATH";
  }
  if ((chapUser === undefined) !== (chapFile === undefined)) return "--chap-user and --chap-file are given together";
  if ((chapTargetUser === undefined) !== (chapTargetFile === undefined)) {
    return "--chap-target-user and --chap-target-file are given together";
  }
  return chapTargetUser !== undefined && chapUser === undefined ? "--chap-target-user needs --chap-user" : null;
}

async function authenticationOf(words: ServeWords): Promise<Authentication | null> {
  const initiator = await account(words.chapUser, words.chapFile);
  const target = await account(words.chapTargetUser, words.chapTargetFile);
  if (initiator === null) return null;
  // Who answers its own challenge by asking the other side would get in (RFC 7143 9.2.1).
  if (target !== null && Buffer.compare(initiator.secret, target.secret) === 0) {
    throw new ToolstackError(
      "INVAL",
      `${words.chapTargetFile}: the target's secret is the initiator's: it has to be another`,
    );
  }
  return { initiators: [initiator], ...(target === null ? {} : { target }) };
}

async function account(name: string | undefined, file: string | undefined): Promise<ChapAccount | null> {
  return name === undefined || file === undefined ? null : { name, secret: await readChapSecret(file) };
}

function targetName(text: string): string {
  const name = normalName(text);
  if (name === null || !/^(iqn\.\d{4}-\d{2}\.|eui\.[\da-f]{16}$|naa\.[\da-f]{16}([\da-f]{16})?$)/.test(name)) {
    throw new InvalidArgumentError("Expected a name such as iqn.2026-11.localhost:disks.");
  }
  return name;
}

function cmdsnDepth(text: string): number {
  const depth = Number(text);
  if (/^\d{1,4}$/.test(text) && depth >= 1 && depth <= MAX_CMDSN_DEPTH) return depth;
  throw new InvalidArgumentError(`Expected a number from 1 to ${MAX_CMDSN_DEPTH}.`);
}

/** As `TargetAddress` is written: the tag behind a comma (RFC 7143 13.8). */
function listenWord(text: string): ListenWord {
  const [, at, digits] = /^(.*?)(?:,(\d{1,5}))?$/.exec(text) ?? [];
  const address = parseListen(at ?? "");
  const tag = digits === undefined ? undefined : Number(digits);
  if (address === null || (tag !== undefined && tag > MAX_TAG)) {
    throw new InvalidArgumentError("Expected a port, or ADDR:PORT, and perhaps a comma and a tag up to 65535.");
  }
  return { ...address, tag };
}

/** As it stands behind TargetAddress (RFC 7143 13.8): without an address nobody would find it. */
function advertised(text: string): string {
  const address = parseListen(text);
  if (address?.host !== undefined && address.port > 0) return text;
  throw new InvalidArgumentError("Expected ADDR:PORT.");
}
