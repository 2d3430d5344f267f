// Knows the commands that ask a server of devices for changes. Knows no server.

import type { Command } from "commander";

export interface BusCommandWords {
  /** What the socket is that a server is asked on. */
  readonly socket: string;
  /** What a place is, and where one is put that is not told. */
  readonly place: string;
  readonly first: string;
  /** Who hears of a change. */
  readonly others: string;
  readonly ask: (socket: string, ...words: readonly string[]) => Promise<void>;
}

/** Adds `attach`, `detach`, `resize`, `insert`, `eject`, `list` and `alua` to a command. */
export function addBusCommands(command: Command, { socket, place, first, others, ask }: BusCommandWords): void {
  command
    .command("attach")
    .description("put a LUN at a free place of a server; prints the place")
    .argument("<socket>", socket)
    .argument("<word>", "a LUN as for serve --lun")
    .argument("[place]", `${place} (default: ${first})`)
    .action((path: string, word: string, where?: string) =>
      ask(path, "attach", word, ...(where === undefined ? [] : [where])),
    );
  command
    .command("detach")
    .description("take a LUN out; what is under way there is aborted")
    .argument("<socket>")
    .argument("<place>", place)
    .action((path: string, where: string) => ask(path, "detach", where));
  command
    .command("resize")
    .description(`make a LUN larger; ${others} are told`)
    .argument("<socket>")
    .argument("<place>", place)
    .argument("<size>", "bytes, or with KiB, MiB, GiB, TiB")
    .action((path: string, where: string, size: string) => ask(path, "resize", where, size));
  command
    .command("insert")
    .description("put a disc into a CD/DVD drive, in the place of the one that is there")
    .argument("<socket>")
    .argument("<place>", place)
    .argument("<file>", "its image, in sectors of 2048 bytes")
    .action((path: string, where: string, file: string) => ask(path, "insert", where, file));
  command
    .command("eject")
    .description("take the disc out of a CD/DVD drive; a guest that keeps it shut is told that it is wanted")
    .argument("<socket>")
    .argument("<place>", place)
    .action((path: string, where: string) => ask(path, "eject", where));
  command
    .command("list")
    .description("the LUNs of a server")
    .argument("<socket>")
    .action((path: string) => ask(path, "list"));
  command
    .command("alua")
    .description("the target port groups that lead to the LUNs of a server, or changes of one of them")
    .argument("<socket>")
    .argument("[place]", place)
    .argument("[group]", "its name or number")
    .argument("[attribute=value...]", "alua_access_state: 0 to 3, 14, 15 or a state's name; preferred: 0 or 1")
    .action((path: string, where?: string, group?: string, changes: readonly string[] = []) => {
      const words = [where, group, ...changes].filter((word) => word !== undefined);
      return ask(path, "alua", ...words);
    });
}
