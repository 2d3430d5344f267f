// Knows how to read XML that came from anywhere: a small tree in which every element and attribute has its position, or a ConfigError.
// A DOCTYPE, and with it every entity but XML's own five, is refused. Knows no format that is written in XML.

import { XmlElement as Parsed, parseXml, type XmlDocument, XmlError, XmlText } from "@rgrove/parse-xml";
import { ConfigError, type Position } from "./errors.js";

export interface XmlAttribute {
  readonly value: string;
  readonly at: Position;
}

export interface XmlElement {
  /** With its prefix, where it has one. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, XmlAttribute>;
  /** The elements in it, in their order. */
  readonly children: readonly XmlElement[];
  /** All text of its own, blanks included. */
  readonly text: string;
  readonly at: Position;
}

/** Characters; libvirt takes up to 10 MiB from a file, and its largest domains have some 100 KiB. */
const MAX_LENGTH = 4 * 1024 * 1024;
/** More than any of libvirt's formats needs. The parser recurses once for each. */
const MAX_DEPTH = 64;

/** What is no element, by how it begins and ends. */
const SKIPPED: ReadonlyArray<readonly [start: string, end: string]> = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
];

/** Reads one XML document; throws `ConfigError` where it is not well-formed, too large or too deep, or has a DOCTYPE. */
export function parseXmlTree(text: string, file: string): XmlElement {
  const source = new XmlSource(text, file);
  if (text.length > MAX_LENGTH) source.fail(0, `the file has more than ${MAX_LENGTH} characters`);
  source.checkShape();
  return source.convert(source.parse());
}

/** The first child of a name; undefined where there is none. */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name);
}

class XmlSource {
  readonly #text: string;
  readonly #file: string;
  /** Where each line begins. */
  readonly #lines: readonly number[];

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#lines = [0, ...[...text.matchAll(/\r\n?|\n/g)].map((end) => end.index + end[0].length)];
  }

  fail(offset: number, reason: string, cause?: unknown): never {
    throw new ConfigError(this.#file, this.#at(offset), reason, { cause });
  }

  /** Looks at the depth of elements before anything recurses, and for what is refused; what is not well-formed is the parser's to tell. */
  checkShape(): void {
    let depth = 0;
    for (let at = this.#text.indexOf("<"); at >= 0; at = this.#text.indexOf("<", at)) {
      const [start, end] = SKIPPED.find(([begin]) => this.#text.startsWith(begin, at)) ?? ["<", ">"];
      if (end === ">" && this.#text.startsWith("<!", at)) this.fail(at, "a DOCTYPE, expected none: no entities here");
      const closing = this.#text.startsWith("</", at);
      const last = end === ">" && !closing ? this.#tagEnd(at) : this.#text.indexOf(end, at + start.length);
      if (last < 0) return;
      if (closing) depth -= 1;
      else if (end === ">" && this.#text[last - 1] !== "/") depth += 1;
      if (depth > MAX_DEPTH) this.fail(at, `nested more than ${MAX_DEPTH} deep`);
      at = last + end.length;
    }
  }

  parse(): XmlDocument {
    try {
      return parseXml(this.#text, { includeOffsets: true });
    } catch (cause) {
      if (!(cause instanceof XmlError)) throw cause;
      const [reason] = cause.message.split("\n");
      throw new ConfigError(
        this.#file,
        { line: cause.line, column: cause.column },
        `${reason.replace(/ \(line \d+, column \d+\)$/, "")}, expected XML`,
        { cause },
      );
    }
  }

  convert(document: XmlDocument): XmlElement {
    const { root } = document;
    if (root === null) this.fail(0, "no element, expected XML");
    return this.#element(root);
  }

  #element({ name, attributes, children, start }: Parsed): XmlElement {
    const places = this.#attributePlaces(start + 1 + name.length);
    return {
      name,
      attributes: new Map(
        Object.entries(attributes).map(([key, value]) => [key, { value, at: this.#at(places.get(key) ?? start) }]),
      ),
      children: children.filter((child) => child instanceof Parsed).map((child) => this.#element(child)),
      text: children.map((child) => (child instanceof XmlText ? child.text : "")).join(""),
      at: this.#at(start),
    };
  }

  /** Where the attributes of a start tag are that is well-formed, from behind its name. */
  #attributePlaces(from: number): Map<string, number> {
    const places = new Map<string, number>();
    const attribute = /\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')/y;
    attribute.lastIndex = from;
    for (let found = attribute.exec(this.#text); found !== null; found = attribute.exec(this.#text)) {
      places.set(found[1], found.index + found[0].indexOf(found[1]));
    }
    return places;
  }

  /** The `>` of a start tag, which is in no quotes; -1 where there is none. */
  #tagEnd(from: number): number {
    const mark = /[>"']/g;
    mark.lastIndex = from;
    for (let found = mark.exec(this.#text); found !== null; found = mark.exec(this.#text)) {
      if (found[0] === ">") return found.index;
      const quote = this.#text.indexOf(found[0], mark.lastIndex);
      if (quote < 0) return -1;
      mark.lastIndex = quote + 1;
    }
    return -1;
  }

  #at(offset: number): Position {
    let low = 0;
    for (let high = this.#lines.length; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if (this.#lines[middle] <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - this.#lines[low] + 1 };
  }
}
