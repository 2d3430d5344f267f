// Knows how libvirt sets XML: two blanks a level, attributes in single quotes, an element with text in one line.

/** An element to be printed: with text, with elements, or with neither. */
export interface XmlPrinted {
  readonly name: string;
  /** In their order; those without a value are left out. */
  readonly attributes?: Readonly<Record<string, string | undefined>>;
  readonly content?: string | readonly XmlPrinted[];
}

/** The text of an element, with a line end; reading it gives what was printed. */
export function printXml(element: XmlPrinted, indent = ""): string {
  const { name, attributes = {}, content = [] } = element;
  const words = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : ` ${key}='${escaped(value)}'`,
  );
  const open = `${indent}<${name}${words.join("")}`;
  if (content.length === 0) return `${open}/>\n`;
  if (typeof content === "string") return `${open}>${escaped(content)}</${name}>\n`;
  return `${open}>\n${content.map((child) => printXml(child, `${indent}  `)).join("")}${indent}</${name}>\n`;
}

/** An element with text. */
export function xmlText(name: string, content: string | number): XmlPrinted {
  return { name, content: String(content) };
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Line ends and tabs as references: a reader would make blanks of them in an attribute. */
function escaped(text: string): string {
  return text.replace(/[&<>"']|[\t\n\r]/g, (c) => ESCAPES[c] ?? `&#${c.charCodeAt(0)};`);
}
