// Knows how Xen's own xl is run on this host: by its name, without a shell, with what it prints going where ours goes.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { ToolstackError, type Xl } from "@pvscsi/toolstack";

/** The xl that an environment's PATH leads to. */
export function xlProgram(environment: NodeJS.ProcessEnv): Xl {
  const start = (words: readonly string[], ...more: "pipe"[]): ChildProcess => {
    const stdio: StdioOptions = ["ignore", "inherit", "inherit", ...more];
    // A Ctrl-C is meant for us: xl ends what it is about, so that it can be taken back.
    return spawn("xl", words, { env: environment, stdio, detached: true });
  };
  return {
    async create(file) {
      // As the value of -f a path is a path, whatever is in it.
      const child = start(["create", "-p", "-f", file], "pipe");
      const givenUp = closed(child.stdio[3] as Socket);
      await succeeded(child);
      return { givenUp };
    },
    unpause: (domain) => succeeded(start(["unpause", String(domain)])),
    destroy: (domain) => succeeded(start(["destroy", String(domain)])),
  };
}

/** The process that xl leaves behind has inherited the other end, of which nothing is read but its end. Keeps nobody from ending. */
function closed(pipe: Socket): Promise<void> {
  pipe.resume().unref();
  return new Promise((resolve) => void pipe.on("close", () => resolve()));
}

/** Rejects with a ToolstackError unless its status is 0. */
function succeeded(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) => reject(new ToolstackError("FAIL", notRun(error))));
    child.on("exit", (status, signal) => {
      if (status === 0) resolve();
      else reject(new ToolstackError("FAIL", `xl ${child.spawnargs[1]} has failed: ${signal ?? `status ${status}`}`));
    });
  });
}

function notRun({ code, message }: NodeJS.ErrnoException): string {
  return code === "ENOENT" ? "xl is not in PATH: install Xen's tools (Debian: xen-utils)" : `xl: ${message}`;
}
