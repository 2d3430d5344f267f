// Knows what dom0 and those who ask it say to each other on STATE/control.sock: one line of JSON each way, with a version.

import { join } from "node:path";
import type { Readable } from "node:stream";
import { ProtocolError } from "@pvscsi/wire";
import type { Outcome } from "./verb.js";

/** Of the lines below; who speaks another one is told so. */
const VERSION = 1;
/** Characters of a request, or of an answer: a list of all devices is long. */
export const LONGEST_REQUEST = 64 * 1024;
export const LONGEST_ANSWER = 16 * 1024 * 1024;
const MOST_WORDS = 1024;

export function controlPath(state: string): string {
  return join(state, "control.sock");
}

/** A verb with its words, and the folder that its relative paths begin at. */
export interface ControlRequest {
  readonly words: readonly string[];
  readonly directory: string;
}

export function requestLine({ words, directory }: ControlRequest): string {
  return `${JSON.stringify({ version: VERSION, words, directory })}\n`;
}

export function answerLine({ output, errors, status }: Outcome): string {
  return `${JSON.stringify({ version: VERSION, output, errors, status })}\n`;
}

/** Throws ProtocolError when a line is no request of this version. */
export function parseRequest(line: string): ControlRequest {
  const { words, directory } = parseLine(line);
  if (!Array.isArray(words) || words.length > MOST_WORDS || !words.every((word) => typeof word === "string")) {
    throw new ProtocolError("words is not a list of texts");
  }
  if (typeof directory !== "string" || !directory.startsWith("/")) {
    throw new ProtocolError("directory is not an absolute path");
  }
  return { words, directory };
}

/** Throws ProtocolError when a line is no answer of this version. */
export function parseAnswer(line: string): Outcome {
  const { output, errors, status } = parseLine(line);
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

/**
 * The one line that a stream begins with, without its end; null when the stream ends before, in whatever way. Throws
 * ProtocolError past `limit` characters.
 */
export async function readLine(stream: Readable, limit: number): Promise<string | null> {
  let text = "";
  stream.setEncoding("utf8");
  try {
    for await (const piece of stream.iterator({ destroyOnReturn: false })) {
      text += piece as string;
      const end = text.indexOf("\n");
      if (end >= 0 && end <= limit) return text.slice(0, end);
      if (text.length > limit) throw new ProtocolError(`a line of more than ${limit} characters`);
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
  }
  return null;
}
