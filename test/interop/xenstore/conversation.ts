// Knows messages on a line, one request at a time: what comes until its reply. Laid out independently of the code under test.

import { XS } from "@pvscsi/xen";
import type { Line } from "./lines.js";

const HEADER = 16;

export interface Request {
  readonly type: number;
  /** Characters of 0 to 255. */
  readonly payload: string;
  readonly transaction: number;
}

const NAMES = new Map<number, string>(Object.entries(XS).map(([name, number]) => [number, name]));

/** A message in words, NULs as `|`. */
export function wordsOf({ type, payload, transaction }: Request): string {
  const name = NAMES.get(type) ?? String(type);
  return `${name}${transaction === 0 ? "" : ` in ${transaction}`} ${JSON.stringify(payload.replaceAll("\0", "|"))}`;
}

export class Conversation {
  readonly #line: Line;
  #rest = Buffer.alloc(0);
  #id = 0;

  constructor(line: Line) {
    this.#line = line;
  }

  /** Gives the events that came until the reply, and the reply, in words. */
  async ask(request: Request): Promise<string[]> {
    const id = ++this.#id;
    this.#line.write(layOut(request, id));
    const heard: string[] = [];
    for (;;) {
      const message = await this.#next();
      heard.push(wordsOf(masked(message)));
      if (message.type !== XS.WATCH_EVENT && message.id === id) return heard;
    }
  }

  close(): void {
    this.#line.close();
  }

  async #next(): Promise<Request & { readonly id: number }> {
    while (this.#rest.length < HEADER || this.#rest.length < HEADER + this.#rest.readUInt32LE(12)) {
      this.#rest = Buffer.concat([this.#rest, await this.#line.read()]);
    }
    const end = HEADER + this.#rest.readUInt32LE(12);
    const [type, id, transaction] = [0, 4, 8].map((at) => this.#rest.readUInt32LE(at));
    const payload = this.#rest.toString("latin1", HEADER, end);
    this.#rest = this.#rest.subarray(end);
    return { type, id, transaction, payload };
  }
}

function layOut({ type, payload, transaction }: Request, id: number): Buffer {
  const bytes = Buffer.alloc(HEADER + payload.length);
  [type, id, transaction, payload.length].forEach((word, i) => {
    bytes.writeUInt32LE(word, 4 * i);
  });
  bytes.write(payload, HEADER, "latin1");
  return bytes;
}

/** Generations are each xenstored's own, and so is the memory of transactions, by the length of theirs. The tools' are not counted. */
function masked<Message extends Request>(message: Message): Message {
  const { type, payload } = message;
  if (type === XS.DIRECTORY_PART) return { ...message, payload: payload.replace(/^\d+/, "N") };
  if (type !== XS.CONTROL || !/^transactions *: +[1-9]|^Domain 0:/m.test(payload)) return message;
  return { ...message, payload: payload.replace(/^(memory *: +)\d+/m, "$1N") };
}
