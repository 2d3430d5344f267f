// Knows how Xen's own xl is run on this host: by its name, without a shell, with what it prints going where ours goes.

import { spawn } from "node:child_process";
import { ToolstackError, type Xl } from "@pvscsi/toolstack";

export const xlProgram: Xl = {
  // As the value of -f a path is a path, whatever is in it.
  create: (file) => runXl("create", "-p", "-f", file),
  unpause: (domain) => runXl("unpause", String(domain)),
  destroy: (domain) => runXl("destroy", String(domain)),
};

/** Ends with it; throws ToolstackError unless its status is 0. */
function runXl(verb: string, ...words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("xl", [verb, ...words], { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (error: NodeJS.ErrnoException) => reject(new ToolstackError("FAIL", notRun(error))));
    child.on("exit", (status, signal) => {
      if (status === 0) resolve();
      else reject(new ToolstackError("FAIL", `xl ${verb} has failed: ${signal ?? `status ${status}`}`));
    });
  });
}

function notRun({ code, message }: NodeJS.ErrnoException): string {
  return code === "ENOENT" ? "xl is not in PATH: install Xen's tools (Debian: xen-utils)" : `xl: ${message}`;
}
