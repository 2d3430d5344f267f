import { ConfigError, effectiveValue, parseXlConfig, printXlConfig, type XlConfig, type XlValue } from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf } from "./support.js";

const START = { line: 1, column: 1 };

/** A value without its positions. */
function plain(value: XlValue | undefined): unknown {
  return value?.kind === "list" ? value.values.map(plain) : value?.text;
}

function effective(text: string, name = "a"): unknown {
  return plain(effectiveValue(parseXlConfig(text, "x.cfg"), name));
}

function fault(text: string): string {
  return faultOf(() => parseXlConfig(text, "x.cfg"));
}

describe("xl.cfg, lexical form and grammar", () => {
  it("reads numbers as they are written", () => {
    expect(effective("a = 512")).to.equal("512");
    expect(effective("a=0x1ff")).to.equal("0x1ff");
    expect(effective("a\t= 010\n")).to.equal("010");
  });

  it("reads strings in both quotes, with C's escapes", () => {
    expect(effective(`a = 'it\\'s "so"'`)).to.equal(`it's "so"`);
    expect(effective(`a = "it's \\"so\\""`)).to.equal(`it's "so"`);
    expect(effective(`a = '\\a\\b\\f\\n\\r\\t\\v\\\\'`)).to.equal("\x07\b\f\n\r\t\v\\");
    expect(effective("a = '# no comment; [1]'")).to.equal("# no comment; [1]");
  });

  it("reads lists over several lines, with comments, a comma at the end, and lists in lists", () => {
    expect(effective("a = [ # first\n 'x',\n\n # between\n [ 1, 2 ], 'y' , # last\n]")).to.deep.equal([
      "x",
      ["1", "2"],
      "y",
    ]);
    expect(effective("a = [ ]")).to.deep.equal([]);
    expect(effective("a = [\n]")).to.deep.equal([]);
  });

  it("ends a setting with a newline, a semicolon or the end of the file", () => {
    const config = parseXlConfig("a=1;b.c_9='2'\n\n;;# x\nd=3", "x.cfg");
    expect(config.settings.map((s) => [s.name, plain(s.value)])).to.deep.equal([
      ["a", "1"],
      ["b.c_9", "2"],
      ["d", "3"],
    ]);
  });

  it("takes a comment in a last line without its newline", () => {
    expect(effective("a = 1\n# end")).to.equal("1");
  });

  it("lets a later setting replace, and += extend", () => {
    expect(effective("a = 1\na = 2")).to.equal("2");
    expect(effective("a = [ 1 ]\na += [ 2, 3 ]\na += [ 4 ]")).to.deep.equal(["1", "2", "3", "4"]);
    expect(effective("a = 'x'\na += 'y'")).to.equal("xy");
    expect(effective("a += [ 1 ]")).to.deep.equal(["1"]);
    expect(effective("a = [ 1 ]\na = [ 2 ]\na += [ 3 ]")).to.deep.equal(["2", "3"]);
  });

  it("knows line and column of every value", () => {
    const { settings } = parseXlConfig("# head\n  a = [ 'x',\n   \"y\" ]; b = 7", "x.cfg");
    const list = settings[0].value;
    expect(settings.map((s) => s.at)).to.deep.equal([
      { line: 2, column: 3 },
      { line: 3, column: 11 },
    ]);
    expect(list.at).to.deep.equal({ line: 2, column: 7 });
    expect(list.kind === "list" && list.values.map((v) => v.at)).to.deep.equal([
      { line: 2, column: 9 },
      { line: 3, column: 4 },
    ]);
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["a = ", "x.cfg:1:5: unexpected the end of the file, expected a number, a string in quotes or a list in [ ]"],
    ["a = \n1", "x.cfg:1:5: unexpected the end of the line, expected a number, a string in quotes or a list in [ ]"],
    ["a 1", "x.cfg:1:3: unexpected 1, expected = or += after a"],
    ["a = 1 2", "x.cfg:1:7: unexpected 2, expected the end of the line or ';'"],
    ["= 1", "x.cfg:1:1: unexpected =, expected the name of a setting"],
    ["x = 1\na = 'un\nb = 1", "x.cfg:2:5: a string without its closing '"],
    ['a = "\\', 'x.cfg:1:5: a string without its closing "'],
    ["a = 'b\\q'", "x.cfg:1:7: unknown escape \\q in a string, expected \\ and one of ' \" \\ a b f n r t v"],
    ["a = '\\x41'", "x.cfg:1:6: unknown escape \\x in a string, expected \\ and one of ' \" \\ a b f n r t v"],
    ["a = [ 1 2 ]", "x.cfg:1:9: unexpected 2, expected ',' or ']' in the list that begins at 1:5"],
    ["a = [ , ]", "x.cfg:1:7: unexpected ,, expected a number, a string in quotes or a list in [ ]"],
    ["a = [ 1,\n", "x.cfg:2:1: unexpected the end of the file, expected a number, a string in quotes or a list in [ ]"],
    ["a = -1", "x.cfg:1:5: unexpected '-': strings stand in quotes"],
    ["a = [ /dev/sda,0:0:0:0 ]", "x.cfg:1:7: unexpected '/': strings stand in quotes"],
    ["a : 1", "x.cfg:1:3: unexpected ':': a setting is NAME = VALUE, and strings stand in quotes"],
    [
      "Name = 1",
      "x.cfg:1:1: unexpected 'N': names are made of a-z, 0-9, '_' and '.', numbers have no unit, and strings stand in quotes",
    ],
    ["a = 1\r\n", "x.cfg:1:6: a carriage return: xl.cfg has Unix line ends"],
    ["\ufeffa = 1", "x.cfg:1:1: a byte order mark: xl.cfg has none"],
    ["a = 'x\0y'", "x.cfg:1:7: a NUL character in a string"],
    ["a = 1\na += [ 2 ]", "x.cfg:2:6: cannot add a list to a string"],
    ["a = [ 2 ]\na += 'x'", "x.cfg:2:6: cannot add a string to a list"],
    ["a = \x1b[2J", "x.cfg:1:5: unexpected '\\x1b'"],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(fault(text)).to.equal(message));
  }

  it("refuses lists that are nested without end", () => {
    expect(fault(`a = ${"[".repeat(100_000)}`)).to.match(/^x\.cfg:1:69: lists are nested more than 64 deep$/);
  });

  it("prints what it reads back as equal", () => {
    const text = fc.string({ unit: "binary-ascii" }).map((s) => s.replaceAll("\0", ""));
    const { value } = fc.letrec<{ value: XlValue; list: XlValue }>((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, atoms(text), tie("list")),
      list: fc.array(tie("value"), { maxLength: 4 }).map((values) => ({ kind: "list", values, at: START })),
    }));
    const setting = fc.record({ name: fc.stringMatching(/^[a-z][._0-9a-z]{0,7}$/), value });
    fc.assert(
      fc.property(fc.array(setting), (settings) => {
        const config = { settings: settings.map((s) => ({ ...s, operator: "=", at: START }) as const) };
        const read = parseXlConfig(printXlConfig(config), "x.cfg");
        expect(shape(read)).to.deep.equal(shape(config));
      }),
    );
  });

  it("never throws anything but ConfigError", () => {
    const words = fc.constantFrom(
      "a",
      "vscsi",
      " = ",
      "+=",
      "[",
      "]",
      ",",
      "\n",
      ";",
      "'",
      '"',
      "\\",
      "#",
      "0x",
      "9",
      "'x'",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(words).map((w) => w.join("")),
        ),
        (text) => {
          expect(bare(() => parseXlConfig(text, "x.cfg"))).to.satisfy(
            (e: unknown) => e === null || e instanceof ConfigError,
          );
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function atoms(text: fc.Arbitrary<string>): fc.Arbitrary<XlValue> {
  const number = fc.stringMatching(/^[0-9][0-9a-fx]{0,5}$/);
  return fc.oneof(
    text.map((t) => ({ kind: "string", text: t, at: START, source: "" }) as const),
    number.map((t) => ({ kind: "number", text: t, at: START, source: t }) as const),
  );
}

function shape(config: Pick<XlConfig, "settings">): unknown {
  const bareValue = (v: XlValue): unknown => (v.kind === "list" ? v.values.map(bareValue) : `${v.kind} ${v.text}`);
  return config.settings.map((s) => [s.name, s.operator, bareValue(s.value)]);
}
