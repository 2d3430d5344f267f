// Knows a socket that QEMU connects to and over which lines go both ways. It is there before QEMU, so that nothing is said to nobody.

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";

export class LineSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #socket: Promise<Socket>;
  readonly #lines: string[] = [];
  #waiting: ((line: string | null) => void) | null = null;
  #over = false;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
    this.#socket = once(server, "connection").then(([socket]) => this.#connected(socket));
    // Where QEMU never connects, nobody writes.
    this.#socket.catch(() => {});
  }

  static async listen(path: string): Promise<LineSocket> {
    const server = createServer();
    const socket = new LineSocket(path, server);
    server.listen(path);
    await once(server, "listening");
    return socket;
  }

  async write(line: string): Promise<void> {
    (await this.#socket).write(`${line}\n`);
  }

  /** The next line; null when no more come, or none within `seconds`. One reader at a time. */
  async read(seconds: number): Promise<string | null> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    if (this.#over) return null;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => this.#give(null), seconds * 1000);
      this.#waiting = (text) => {
        clearTimeout(timer);
        resolve(text);
      };
    });
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#finish();
    if (this.#server.listening) return;
    (await Promise.race([this.#socket, null]))?.destroy();
  }

  #connected(socket: Socket): Socket {
    this.#server.close();
    socket.on("error", () => {});
    const lines: Interface = createInterface({ input: socket });
    lines.on("line", (line) => {
      if (this.#waiting === null) this.#lines.push(line);
      else this.#give(line);
    });
    lines.on("close", () => this.#finish());
    return socket;
  }

  #finish(): void {
    this.#over = true;
    this.#give(null);
  }

  #give(line: string | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(line);
  }
}
