// Knows a dialogue with Xen's clients as text: what is typed, what is printed, how it ends. Knows neither store nor suite.
//
// `# ` begins a part, `$ ` what is typed in a shell; below it stand the lines of its output, those of its errors behind
// `! `, and its status in brackets.

/** What is typed, and what came of it. */
export interface Exchange {
  readonly typed: string;
  readonly answer: string;
}

export interface Part {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
}

/** What a command left behind. */
export interface Ending {
  readonly status: number | string;
  readonly output: string;
  readonly errors: string;
}

export function parseDialogue(text: string): Part[] {
  return text.split(/^# /m).slice(1).map(parsePart);
}

export function printDialogue(parts: readonly Part[]): string {
  return parts.map(({ name, exchanges }) => `# ${name}\n${exchanges.map(printExchange).join("")}`).join("\n");
}

/** What is below the line that was typed. */
export function answerOf({ status, output, errors }: Ending): string {
  return `${output.replace(/(?<=[^\n])$/, "\n")}${errors.replace(/^(?=.)/gm, "! ")}[${status}]`;
}

function parsePart(text: string): Part {
  const [name, ...exchanges] = text.trimEnd().split(/\n\$ /);
  return { name, exchanges: exchanges.map(parseExchange) };
}

function parseExchange(text: string): Exchange {
  const end = `${text}\n`.indexOf("\n");
  return { typed: text.slice(0, end), answer: text.slice(end + 1) };
}

function printExchange({ typed, answer }: Exchange): string {
  return `$ ${typed}\n${answer}\n`;
}
