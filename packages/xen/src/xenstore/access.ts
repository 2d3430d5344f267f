// Knows what requests about nodes say on the wire and what their replies mean. Knows no connection.

import { ProtocolError } from "@pvscsi/wire";
import { XS } from "../abi/xenstore.js";
import { type XenstoreAccess, XenstoreError } from "./client.js";
import { joinStrings, splitStrings } from "./framing.js";

/** Sends one request and gives the reply's payload, or fails with a XenstoreError. */
export type Ask = (type: number, payload: string, what: string) => Promise<string>;

/** Nodes through requests that `ask` sends. */
export class RequestAccess implements XenstoreAccess {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async read(path: string): Promise<string | null> {
    return orMissing(this.#ask(XS.READ, `${path}\0`, `reading ${path}`));
  }

  async write(path: string, value: string): Promise<void> {
    await this.#ask(XS.WRITE, `${path}\0${value}`, `writing ${path}`);
  }

  async mkdir(path: string): Promise<void> {
    await this.#ask(XS.MKDIR, `${path}\0`, `making ${path}`);
  }

  async remove(path: string): Promise<void> {
    await orMissing(this.#ask(XS.RM, `${path}\0`, `removing ${path}`));
  }

  async list(path: string): Promise<string[] | null> {
    try {
      const names = await orMissing(this.#ask(XS.DIRECTORY, `${path}\0`, `listing ${path}`));
      return names === null ? null : splitStrings(names);
    } catch (error) {
      if (!(error instanceof XenstoreError && error.errno === "E2BIG")) throw error;
      return orMissing(this.#listInParts(path));
    }
  }

  async permissions(path: string): Promise<string[]> {
    return splitStrings(await this.#ask(XS.GET_PERMS, `${path}\0`, `permissions of ${path}`));
  }

  async setPermissions(path: string, permissions: readonly string[]): Promise<void> {
    await this.#ask(XS.SET_PERMS, joinStrings([path, ...permissions]), `setting permissions of ${path}`);
  }

  /** From the start again whenever the generation says that the list has changed between two parts. */
  async #listInParts(path: string): Promise<string[]> {
    let first = "";
    let names = "";
    for (;;) {
      const reply = await this.#ask(XS.DIRECTORY_PART, joinStrings([path, String(names.length)]), `listing ${path}`);
      const { generation, part, last } = splitPart(reply);
      if (names !== "" && generation !== first) {
        names = "";
        continue;
      }
      first = generation;
      names += part;
      if (last) return splitStrings(names);
      if (part === "") throw new ProtocolError(`a part of ${path} is empty and not the last`);
    }
  }
}

/** generation|name|name|...; after the last name of all comes one more NUL. */
function splitPart(reply: string): { generation: string; part: string; last: boolean } {
  const end = reply.indexOf("\0") + 1;
  if (end === 0) throw new ProtocolError("a part of a directory has no generation");
  const rest = reply.slice(end);
  const last = rest === "\0" || rest.endsWith("\0\0");
  return { generation: reply.slice(0, end - 1), part: last ? rest.slice(0, -1) : rest, last };
}

async function orMissing<Result>(asked: Promise<Result>): Promise<Result | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof XenstoreError && error.errno === "ENOENT") return null;
    throw error;
  }
}
