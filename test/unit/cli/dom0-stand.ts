// Knows how a test runs a dom0 of its own, and types verbs in other shells.

import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { type Result, RunningCommand } from "./command.js";

/** A dom0 for each test of the `describe` it is made in, with these files beside it; host.yaml is one of them. */
export class Dom0Stand {
  readonly folder = temporaryFolder();
  #running: RunningCommand | null = null;

  readonly #more: (folder: Dom0Stand["folder"]) => readonly string[];

  /** `more` are further words for its command line. */
  constructor(
    files: { readonly [name: string]: string },
    more: (folder: Dom0Stand["folder"]) => readonly string[] = () => [],
  ) {
    this.#more = more;
    beforeEach(() => {
      this.folder.write(files);
      return this.start();
    });
    afterEach(() => this.end("SIGKILL"));
  }

  get state(): string {
    return this.folder.path("state");
  }

  /** The dom0 of this test. */
  get running(): RunningCommand {
    return this.#running ?? expect.fail("no dom0 was started");
  }

  async start(): Promise<void> {
    const words = ["dom0", "--host", this.folder.path("host.yaml"), "--state", this.state, ...this.#more(this.folder)];
    this.#running = new RunningCommand(words, { stays: true });
    await this.#running.printed(/dom0 is ready/);
  }

  end(signal: "SIGKILL" | "SIGTERM"): Promise<Result> {
    this.running.child.kill(signal);
    return this.running.ended;
  }

  /** Begins to run a verb as from a shell in the folder. */
  begin(...words: readonly string[]): RunningCommand {
    return new RunningCommand(words, {
      environment: { PVSCSI_STATE: this.state },
      directory: this.folder.path("."),
    });
  }

  /** Runs a verb to its end. */
  shell(...words: readonly string[]): Promise<Result> {
    return this.begin(...words).ended;
  }

  /** The output of a verb that succeeds and complains of nothing. */
  async good(...words: readonly string[]): Promise<string> {
    const { status, output, errors } = await this.shell(...words);
    expect({ status, errors }, words.join(" ")).to.deep.equal({ status: 0, errors: "" });
    return output;
  }

  /** What a verb that cannot be done says, without the end of its line. */
  async bad(...words: readonly string[]): Promise<string> {
    const { status, output, errors } = await this.shell(...words);
    expect({ status, output }, `${words.join(" ")}: ${errors}`).to.deep.equal({ status: 1, output: "" });
    return errors.trimEnd();
  }

  /** A connection to control.sock that has said this. */
  connect(text: string): Socket {
    const socket = connect(this.folder.path("state", "control.sock"), () => socket.write(text));
    return socket.on("error", () => {});
  }

  /** Says something on control.sock and gives what is answered until the connection ends. */
  say(text: string): Promise<string> {
    return new Promise((resolve) => {
      let answer = "";
      const socket = this.connect(text).setEncoding("utf8");
      socket.on("data", (piece: string) => {
        answer += piece;
      });
      socket.on("close", () => resolve(answer));
    });
  }
}
