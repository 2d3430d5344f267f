// Knows how keys and values lie in a data segment: `key=value`, each ended by a zero (RFC 7143 6.1). Knows no key.

import { ProtocolError } from "@pvscsi/wire";

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** RFC 7143 6.1: of a key's name, and of a value that is not binary. */
const MAX_KEY = 63;
const MAX_VALUE = 8192;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** All pairs, in order. Throws ProtocolError where the bytes are none. */
export function parseText(bytes: Uint8Array): KeyValue[] {
  const pairs: KeyValue[] = [];
  const words = decode(bytes).split("\0");
  if (words.pop() !== "") throw new ProtocolError("a text that does not end with a zero");
  for (const word of words) {
    // Zeros after the last pair are padding that somebody has counted: Windows' initiator did.
    if (word === "") continue;
    const equals = word.indexOf("=");
    const [key, value] = [word.slice(0, equals), word.slice(equals + 1)];
    if (equals < 1 || equals > MAX_KEY || !/^(X#)?[\w.+@-]+$/.test(key))
      throw new ProtocolError(`no key in '${head(word)}'`);
    if (value.length > MAX_VALUE) throw new ProtocolError(`a value of ${value.length} characters for ${key}`);
    pairs.push({ key, value });
  }
  return pairs;
}

/** The bytes of pairs. */
export function formatText(pairs: readonly KeyValue[]): Uint8Array {
  return encoder.encode(pairs.map(({ key, value }) => `${key}=${value}\0`).join(""));
}

function decode(bytes: Uint8Array): string {
  if (bytes.length === 0) return "\0";
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError("a text that is no UTF-8");
  }
}

function head(word: string): string {
  return word.length > 40 ? `${word.slice(0, 40)}...` : word;
}

/** Texts that come in several PDUs, up to a limit. */
export class TextAssembly {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether nothing was added since the last `take`. */
  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Adds what is the assembly's own from now on. Throws ProtocolError beyond the limit. */
  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.#length > this.#limit) throw new ProtocolError(`a text of more than ${this.#limit} bytes`);
    this.#pieces.push(piece);
  }

  /** All of it, and begins anew. */
  take(): Uint8Array {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#pieces.length = 0;
    this.#length = 0;
    return whole;
  }
}
