// Knows how a line is cut into words, as a shell does it. Knows no command.

/** What stands before a word, and the word: a comment, or pieces that are bare or in either kind of quotes. */
const WORD = /\s*(?:(#.*)|((?:"[^"]*"|'[^']*'|[^\s"'])+)|$)/y;
const QUOTED = /"([^"]*)"|'([^']*)'/g;

/** The words of a line: blanks part, both kinds of quotes keep together, # begins a comment. Null where a quote is open. */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  WORD.lastIndex = 0;
  for (;;) {
    const found = WORD.exec(line);
    if (found === null) return null;
    const word = found[2];
    if (word === undefined) return words;
    words.push(word.replace(QUOTED, (_, double?: string, single?: string) => double ?? single ?? ""));
  }
}
