// Knows what control.sock answers where a domain was joined: commands inside that domain, and of everything else, that it
// is its dom0's to do.

import { ToolstackError } from "@pvscsi/toolstack";
import type { ControlRequest } from "./control-wire.js";
import { GUEST_VERB } from "./domain-verbs.js";
import type { RunningGuest } from "./running-guest.js";
import { type Caller, Exit, failure, type Outcome, outcomeOf, runBody } from "./verb.js";
import { findVerb } from "./verbs.js";

interface Running {
  readonly name: string;
  readonly id: number;
  /** Null for a driver domain. */
  readonly guest: RunningGuest | null;
}

export class JoinedControl {
  readonly #url: string;
  #running: Running | null = null;

  /** `url` is the hub's. */
  constructor(url: string) {
    this.#url = url;
  }

  /** The domain has begun. */
  runs(name: string, id: number, guest: RunningGuest | null): void {
    this.#running = { name, id, guest };
  }

  answer({ words, directory, program }: ControlRequest, whom: Pick<Caller, "print" | "signal">): Promise<Outcome> {
    const [name, ...rest] = words;
    const verb = findVerb(name);
    if (verb === undefined) return Promise.resolve(failure(Exit.usage, `pvscsi: unknown command '${name}', see help`));
    if (verb !== GUEST_VERB) {
      const reason = `here is only ${this.#whatIsHere()}: type this where its dom0 is`;
      return outcomeOf(verb, program, () => Promise.reject(new ToolstackError("INVAL", reason)));
    }
    const caller = { directory, program, ...whom };
    return runBody(verb, rest, caller, ({ arguments: [domain, ...command] }) =>
      this.#guest(domain).run(command, directory),
    );
  }

  /** Ends who uses a guest's disks. */
  async end(): Promise<void> {
    for (const end of this.#running?.guest?.services.reverse() ?? []) await end();
  }

  #guest(word: string): RunningGuest {
    const running = this.#running;
    if (running === null) throw new ToolstackError("NOT_READY", "the domain has not begun yet: try again");
    const { name, id, guest } = running;
    if (word !== name && word !== String(id)) {
      const reason = `${word} is an invalid domain identifier (rc=-6): here is only ${this.#whatIsHere()}`;
      throw new ToolstackError("DOMAIN_NOTFOUND", reason);
    }
    if (guest !== null) return guest;
    throw new ToolstackError("INVAL", `domain '${name}' is a driver domain, and takes no commands`);
  }

  #whatIsHere(): string {
    const running = this.#running;
    const what = running === null ? "a domain" : `domain '${running.name}' (${running.id})`;
    return `${what} of ${this.#url}`;
  }
}
