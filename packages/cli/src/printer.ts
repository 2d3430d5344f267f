// Knows how text gets to a person: each piece on lines of its own, nothing for nothing.

/** Where text goes for the person who watches. */
export interface Printer {
  print(text: string): void;
  error(text: string): void;
}

/** Whole lines, to two writers. */
export function linePrinter(out: (text: string) => void, errors: (text: string) => void): Printer {
  const whole = (write: (text: string) => void) => (text: string) => {
    if (text !== "") write(text.endsWith("\n") ? text : `${text}\n`);
  };
  return { print: whole(out), error: whole(errors) };
}
