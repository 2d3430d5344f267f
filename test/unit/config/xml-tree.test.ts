// XML with positions: what is well-formed is read, everything else is refused where it is wrong, and nothing is expanded or overflows.

import { ConfigError, childOf, parseXmlTree, printXml, type XmlElement, type XmlPrinted } from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf } from "./support.js";

const fault = (text: string): string => faultOf(() => parseXmlTree(text, "a.xml"));

/** Characters that XML has. */
const texts = fc.string({
  unit: fc.constantFrom("a", "<", ">", "&", "'", '"', "\n", "\t", "\r", "é", "😀", "]]>", "\u0085"),
});
const { element: elements } = fc.letrec<{ element: XmlPrinted }>((tie) => ({
  element: fc.record({
    name: fc.constantFrom("device", "b", "x:c", "_d-1"),
    attributes: fc.dictionary(fc.constantFrom("type", "wwnn", "__proto__"), texts),
    content: fc.oneof({ maxDepth: 4 }, texts, fc.array(tie("element"), { maxLength: 3 })),
  }),
}));

describe("an XML text", () => {
  it("is read as it was printed", () => {
    fc.assert(
      fc.property(elements, (element) => {
        const text = printXml(element);
        expect(printXml(printable(parseXmlTree(text, "a.xml")))).to.equal(text);
      }),
      { seed: 61, numRuns: 500 },
    );
  });

  it("has a place for every element and attribute", () => {
    const root = parseXmlTree(
      "\ufeff<?xml version='1.0'?>\r\n<a  x='>\" y=\"' y = \"\n\"><!-- <b> -->\r  <b/></a>",
      "a.xml",
    );
    expect(root.at).to.deep.equal({ line: 2, column: 1 });
    expect(root.attributes.get("x")).to.deep.equal({ value: '>" y="', at: { line: 2, column: 5 } });
    expect(root.attributes.get("y")?.at).to.deep.equal({ line: 2, column: 16 });
    expect(childOf(root, "b")?.at).to.deep.equal({ line: 4, column: 3 });
    expect(childOf(root, "c")).to.equal(undefined);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["", "a.xml:1:1: "],
    ["<a", "a.xml:1:3: "],
    ["<a>\n<b></a>", "a.xml:2:4: Missing end tag for element b, expected XML"],
    ["<a x='1' x='2'/>", "a.xml:1:15: Duplicate attribute: x, expected XML"],
    ["<a x='<'/>", "a.xml:1:7: Unescaped `<` is not allowed in an attribute value, expected XML"],
    ["<a>&x;</a>", "a.xml:1:4: Named entity isn't defined: &x;, expected XML"],
    ["<a/><a/>", "a.xml:1:5: "],
    ["<a>&#0;</a>", "a.xml:1:8: Character reference resolves to an invalid character, expected XML"],
    ['\n<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "a.xml:2:1: a DOCTYPE, expected none: no entities here"],
    ['<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "a.xml:1:1: a DOCTYPE, expected none: no entities here"],
    [`${"<a>".repeat(64)}\n<b>`, "a.xml:2:1: nested more than 64 deep"],
    [`${"<a x='/>'>".repeat(65)}`, "a.xml:1:641: nested more than 64 deep"],
    [`${"<a><!--</a></a>--><![CDATA[</a>]]><?x </a>?>".repeat(65)}`, "a.xml:1:2817: nested more than 64 deep"],
    [" ".repeat(4 * 1024 * 1024 + 1), "a.xml:1:1: the file has more than 4194304 characters"],
  ];
  for (const [text, message] of wrong) {
    it(`is refused: ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(fault(text).slice(0, message.length)).to.equal(message);
    });
  }

  it("that is damaged anywhere is read or refused with a position", () => {
    const pieces = fc.constantFrom(
      "<",
      ">",
      "/",
      "'",
      "&",
      "]]>",
      "<!--",
      "<![CDATA[",
      "<?",
      "<!DOCTYPE",
      "</a>",
      "<a>",
    );
    fc.assert(
      fc.property(elements, fc.nat(), pieces, (element, where, piece) => {
        const whole = printXml(element);
        const at = where % whole.length;
        const error = bare(() => parseXmlTree(whole.slice(0, at) + piece + whole.slice(at + 1), "a.xml"));
        expect(error).to.satisfy((thrown: unknown) => thrown === null || thrown instanceof ConfigError);
      }),
      { seed: 62, numRuns: 3000 },
    );
  });
});

function printable({ name, attributes, children, text }: XmlElement): XmlPrinted {
  return {
    name,
    attributes: Object.fromEntries([...attributes].map(([key, { value }]) => [key, value])),
    content: children.length > 0 ? children.map(printable) : text,
  };
}
