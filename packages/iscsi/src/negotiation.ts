// Knows how a session's keys are agreed on: what each offer of an initiator comes to, and what it is answered.

import { ProtocolError } from "@pvscsi/wire";
import { DECLARATIONS, KEYS, type KeyName, type KeyRow, OBSOLETE, type Parameters } from "./keys.js";
import type { KeyValue } from "./text.js";

/** Answers that are no values (RFC 7143 6.2). */
export const REJECT = "Reject";
const IRRELEVANT = "Irrelevant";
export const NOT_UNDERSTOOD = "NotUnderstood";
export const ANSWERS: ReadonlySet<string> = new Set([REJECT, IRRELEVANT, NOT_UNDERSTOOD]);

type Value = string | number | boolean;

export class Negotiation {
  readonly parameters: Parameters;
  readonly #normal: boolean;
  readonly #spoken = new Set<string>();
  #declared = false;

  /** `normal`: not a discovery session. */
  constructor(parameters: Parameters, normal: boolean) {
    this.parameters = parameters;
    this.#normal = normal;
  }

  /**
   * Takes offers of the operational stage and gives the answers, in their order; keys that have a place of their own in a
   * login are passed over. Throws ProtocolError for a key that was agreed on before.
   */
  offer(pairs: readonly KeyValue[]): KeyValue[] {
    const answers: KeyValue[] = [];
    for (const { key, value } of pairs) {
      if (DECLARATIONS.has(key) || ANSWERS.has(value)) continue;
      if (this.#spoken.has(key)) throw new ProtocolError(`${key} was agreed on before`);
      this.#spoken.add(key);
      const answer = this.#answer(key, value);
      if (answer !== null) answers.push({ key, value: answer });
    }
    if (!this.#declared) {
      answers.push({ key: "MaxRecvDataSegmentLength", value: String(KEYS.MaxRecvDataSegmentLength.ours) });
    }
    this.#declared = true;
    return answers;
  }

  /** Whether we have told how much we take in a data segment. */
  get declared(): boolean {
    return this.#declared;
  }

  /** Takes an offer of full feature phase: most keys have their only chance in a login. */
  offerLater({ key, value }: KeyValue): KeyValue | null {
    if (ANSWERS.has(value) || DECLARATIONS.has(key)) return null;
    const row: KeyRow | undefined = Object.hasOwn(KEYS, key) ? KEYS[key as KeyName] : undefined;
    const known = row !== undefined || OBSOLETE.has(key);
    if (!row?.later) return { key, value: known ? REJECT : NOT_UNDERSTOOD };
    const answer = this.#answer(key, value);
    return answer === null ? null : { key, value: answer };
  }

  /** Null where a key is only told. */
  #answer(key: string, value: string): string | null {
    if (OBSOLETE.has(key)) return REJECT;
    if (!Object.hasOwn(KEYS, key)) return NOT_UNDERSTOOD;
    const row: KeyRow = KEYS[key as KeyName];
    if (row.normal && !this.#normal) return IRRELEVANT;
    const agreed = agree(row, value);
    if (agreed === null) return REJECT;
    (this.parameters as Record<string, Value>)[key] = agreed;
    return row.rule === "declared" ? null : formatValue(agreed);
  }
}

/** What an offer comes to; null where it is no value of that key. */
export function agree(row: KeyRow, offered: string): Value | null {
  if (row.rule === "list") {
    const ours = String(row.ours).split(",");
    return offered.split(",").find((word) => ours.includes(word)) ?? null;
  }
  const value = parseValue(row, offered);
  if (value === null) return null;
  switch (row.rule) {
    case "or":
      return value === true || row.ours === true;
    case "and":
      return value === true && row.ours === true;
    case "minimum":
      return Math.min(Number(value), Number(row.ours));
    case "maximum":
      return Math.max(Number(value), Number(row.ours));
    case "declared":
      return value;
  }
}

/** What our own offer comes to by what the other side answers; null where the rule allows no such answer. */
export function settle(row: KeyRow, offered: string, answer: string): Value | null {
  if (row.rule === "list") return offered.split(",").includes(answer) ? answer : null;
  const value = parseValue(row, answer);
  const ours = parseValue(row, offered);
  if (value === null || ours === null) return null;
  switch (row.rule) {
    case "or":
      return ours === true && value === false ? null : value;
    case "and":
      return ours === false && value === true ? null : value;
    case "minimum":
      return value > ours ? null : value;
    case "maximum":
      return value < ours ? null : value;
    case "declared":
      return value;
  }
}

function parseValue({ default: sample, low = 0, high = 0 }: KeyRow, text: string): number | boolean | null {
  if (typeof sample === "boolean") return text === "Yes" ? true : text === "No" ? false : null;
  const value = parseNumber(text);
  return value !== null && value >= low && value <= high ? value : null;
}

/** Decimal without leading zeros, or hexadecimal (6.1). */
function parseNumber(text: string): number | null {
  return /^(0|[1-9]\d{0,19}|0[xX][\da-fA-F]{1,16})$/.test(text) ? Number(text) : null;
}

export function formatValue(value: Value): string {
  return typeof value === "boolean" ? (value ? "Yes" : "No") : String(value);
}
