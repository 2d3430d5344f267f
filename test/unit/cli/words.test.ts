import { expect } from "chai";
import { splitWords } from "pvscsi";

describe("a line of the shell", () => {
  for (const [line, words] of [
    ["", []],
    ["   \t ", []],
    ["# all of it", []],
    ["list", ["list"]],
    ["  scsi-attach\tdomU   /dev/sdd 1:0:0:1  ", ["scsi-attach", "domU", "/dev/sdd", "1:0:0:1"]],
    ["list # the domains", ["list"]],
    ["a#b c", ["a#b", "c"]],
    ["'a b' \"c d\"", ["a b", "c d"]],
    ["a' b'c\"d \"e", ["a bcd e"]],
    ["'' x \"\"", ["", "x", ""]],
    ["'\"' \"'\"", ['"', "'"]],
    ["'# no comment'", ["# no comment"]],
    ["x'#'y", ["x#y"]],
  ] as const) {
    it(`${JSON.stringify(line)} is ${JSON.stringify(words)}`, () => {
      expect(splitWords(line)).to.deep.equal(words);
    });
  }

  for (const line of ["'", 'a "b', "a 'b\" c", "x '' '", "ok 'open # no comment"]) {
    it(`${JSON.stringify(line)} has an open quote`, () => {
      expect(splitWords(line)).to.equal(null);
    });
  }
});
