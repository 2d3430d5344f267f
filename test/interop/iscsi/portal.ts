// Knows `pvscsi iscsi serve` as a process of its own: LUN words in, URLs for initiators out.

import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { MAIN } from "../../support/repository.js";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";

/** Milliseconds that it may take to end: its initiators are asked to log out, and have 5 s. */
const FAREWELL = 15_000;

/** A name and a secret. */
export interface Account {
  readonly user: string;
  readonly secret: string;
}

export interface PortalWishes {
  /** Who initiators have to be. */
  readonly chap?: Account;
  /** Who the target is, for those that ask. */
  readonly chapTarget?: Account;
  /** `ADDR:PORT` that initiators are told instead of where it listens. */
  readonly advertise?: string;
  /** The only initiator that may log in. */
  readonly initiator?: string;
  /** Portal groups, with a portal each, by their tags; one where it is not said. */
  readonly tags?: readonly number[];
  /** LIO's saveconfig.json as an object, which says it all instead of LUN words; its first target is meant. */
  readonly saveconfig?: object;
  /** Node, and what stands before the program; without it Node alone. */
  readonly node?: readonly string[];
}

/** A portal of one target that listens on a free port of this machine, or several of it. */
export class ServedPortal {
  /** `ADDR:PORT`, of the first. */
  readonly address: string;
  /** Of all, in the order of their tags. */
  readonly addresses: readonly string[];
  /** The target's name. */
  readonly target: string;
  readonly #context: SuiteContext;
  readonly #server: Child;
  readonly #control: string;

  private constructor(
    context: SuiteContext,
    server: Child,
    control: string,
    addresses: readonly string[],
    target: string,
  ) {
    this.#context = context;
    this.#server = server;
    this.#control = control;
    this.address = addresses[0];
    this.addresses = addresses;
    this.target = target;
  }

  /** Serves at LUN n what word number n says. */
  static async start(context: SuiteContext, luns: readonly string[], wishes: PortalWishes = {}): Promise<ServedPortal> {
    const control = context.freshPath("control");
    const words = [
      ...["--control", control],
      ...luns.flatMap((word) => ["--lun", word]),
      ...(await chapWords(context, "--chap", wishes.chap)),
      ...(await chapWords(context, "--chap-target", wishes.chapTarget)),
      ...(wishes.advertise === undefined ? [] : ["--advertise", wishes.advertise]),
      ...(wishes.initiator === undefined ? [] : ["--initiator", wishes.initiator]),
      ...(await configWords(context, wishes.saveconfig)),
    ];
    const listen = wishes.tags?.map((tag) => `0,${tag}`) ?? ["0"];
    const portals = listen.flatMap((word) => ["--listen", word]);
    const [program, ...before] = wishes.node ?? [process.execPath];
    const server = context.start(program, ...before, MAIN, "iscsi", "serve", ...portals, ...words);
    const said: string[] = [];
    do said.push(await server.readLine());
    while (!said.at(-1)?.startsWith("serving "));
    const urls = said.flatMap((line) => [...line.matchAll(/^iscsi:\/\/([^/]+)\/([^/]+)\/0$/g)]);
    const addresses = [...new Set(urls.map(([, address]) => address))];
    expect(addresses.length, said.join("\n")).to.equal(listen.length);
    return new ServedPortal(context, server, control, addresses, urls[0][2]);
  }

  /** As libiscsi's programs and QEMU take it; `who` is `USER%SECRET`, `what` the arguments behind it. */
  url(lun: number, who = "", what = ""): string {
    return `iscsi://${who === "" ? "" : `${who}@`}${this.address}/${this.target}/${lun}${what === "" ? "" : `?${what}`}`;
  }

  /** A LUN by each portal. */
  paths(lun: number): string[] {
    return this.addresses.map((address) => `iscsi://${address}/${this.target}/${lun}`);
  }

  /** As iscsi-ls takes it. */
  get discovery(): string {
    return `iscsi://${this.address}`;
  }

  /** Has it change its LUNs: `attach WORD [LUN]`, `detach LUN`, `resize LUN SIZE`, `list`, `alua ...`; gives what it prints. */
  async ask(verb: string, ...words: readonly string[]): Promise<string> {
    return this.#context.succeed(process.execPath, MAIN, "iscsi", verb, this.#control, ...words);
  }

  /** Its process. */
  get pid(): number {
    return this.#server.pid;
  }

  /** Ends it with SIGKILL. */
  async kill(): Promise<void> {
    process.kill(this.pid, "SIGKILL");
    expect((await this.#server.finished).status).to.equal("SIGKILL");
  }

  /** Ends it; resolves to what it has said of initiators, line by line. */
  async end(): Promise<string[]> {
    await this.#server.end(FAREWELL);
    const { status, errors } = await this.#server.finished;
    expect(status, errors).to.equal(0);
    return errors.split("\n").filter((line) => line !== "");
  }
}

async function configWords(context: SuiteContext, saveconfig: object | undefined): Promise<string[]> {
  if (saveconfig === undefined) return [];
  const file = context.freshPath("saveconfig");
  await writeFile(file, JSON.stringify(saveconfig));
  return ["--config", file];
}

async function chapWords(context: SuiteContext, option: string, account: Account | undefined): Promise<string[]> {
  if (account === undefined) return [];
  const file = context.freshPath("secret");
  await writeFile(file, `${account.secret}\n`, { mode: 0o600 });
  return [`${option}-user`, account.user, `${option}-file`, file];
}
