// Knows what dom0 and those who ask it say to each other on STATE/control.sock, in lines of JSON with a version: one
// request, then what its verb prints while it runs, piece by piece, then the answer.

import { join } from "node:path";
import type { Readable } from "node:stream";
import { ProtocolError } from "@pvscsi/wire";
import type { Outcome } from "./verb.js";
import { type Program, VOICES } from "./voice.js";

/** Of the lines below; who speaks another one is told so. */
const VERSION = 2;
/** Characters of a request, or of an answer or piece of one: a list of all devices is long. */
export const LONGEST_REQUEST = 64 * 1024;
export const LONGEST_ANSWER = 16 * 1024 * 1024;
const MOST_WORDS = 1024;

export function controlPath(state: string): string {
  return join(state, "control.sock");
}

/** A verb with its words, the folder that its relative paths begin at, and by which name the program was called. */
export interface ControlRequest {
  readonly words: readonly string[];
  readonly directory: string;
  readonly program: Program;
}

/** What dom0 says: any number of pieces, whole lines that the verb has printed, then how it ended. */
export type ControlReply = { readonly piece: string } | Outcome;

export function requestLine({ words, directory, program }: ControlRequest): string {
  return `${JSON.stringify({ version: VERSION, words, directory, program })}\n`;
}

export function pieceLine(piece: string): string {
  return `${JSON.stringify({ version: VERSION, piece })}\n`;
}

export function answerLine({ output, errors, status }: Outcome): string {
  return `${JSON.stringify({ version: VERSION, output, errors, status })}\n`;
}

/** Throws ProtocolError when a line is no request of this version. */
export function parseRequest(line: string): ControlRequest {
  const { words, directory, program } = parseLine(line);
  if (!Array.isArray(words) || words.length > MOST_WORDS || !words.every((word) => typeof word === "string")) {
    throw new ProtocolError("words is not a list of texts");
  }
  if (typeof directory !== "string" || !directory.startsWith("/")) {
    throw new ProtocolError("directory is not an absolute path");
  }
  if (typeof program !== "string" || !Object.hasOwn(VOICES, program)) {
    throw new ProtocolError(`program is none of ${Object.keys(VOICES).join(", ")}`);
  }
  return { words, directory, program: program as Program };
}

/** Throws ProtocolError when a line is no reply of this version. */
export function parseReply(line: string): ControlReply {
  const { piece, output, errors, status } = parseLine(line);
  if (piece !== undefined) {
    if (typeof piece !== "string") throw new ProtocolError("a piece that is no text");
    if (status !== undefined) throw new ProtocolError("a piece and an answer in one");
    return { piece };
  }
  if (typeof output !== "string" || typeof errors !== "string" || typeof status !== "number") {
    throw new ProtocolError("an answer without output, errors and status");
  }
  return { output, errors, status };
}

function parseLine(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ProtocolError("a line that is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null) throw new ProtocolError("a line that is no object");
  const { version } = value as { version?: unknown };
  if (version !== VERSION) throw new ProtocolError(`version ${JSON.stringify(version)}, expecting ${VERSION}`);
  return value as Record<string, unknown>;
}

/** The lines of a stream until it ends; one that fails has ended. Throws ProtocolError at a line longer than `limit`. */
export async function* readLines(stream: Readable, limit: number): AsyncGenerator<string, undefined> {
  let text = "";
  stream.setEncoding("utf8");
  try {
    for await (const piece of stream.iterator({ destroyOnReturn: false })) {
      let from = text.length;
      text += piece as string;
      for (;;) {
        const end = text.indexOf("\n", from);
        if ((end < 0 ? text.length : end) > limit) throw new ProtocolError(`a line of more than ${limit} characters`);
        if (end < 0) break;
        yield text.slice(0, end);
        text = text.slice(end + 1);
        from = 0;
      }
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
  }
}
