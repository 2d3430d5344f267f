// Knows what the process of a domain is asked on its own socket: a guest's commands, and what passes its rings.

import { ToolstackError } from "@pvscsi/toolstack";
import type { Scheduler } from "@pvscsi/wire";
import { type ControlServer, serveSocket } from "./control-server.js";
import type { DomainSettings } from "./domain-settings.js";
import { GUEST_VERB } from "./domain-verbs.js";
import { FOLLOW, tellMoments } from "./ring-follow.js";
import type { MomentSource } from "./ring-moments.js";
import type { RunningGuest } from "./running-guest.js";
import { outcomeOf } from "./verb.js";

/** The words of a request: the verb, then its own; a driver domain, without a guest, runs none of a guest's commands. */
export function serveDomain(
  { name, socket }: DomainSettings,
  source: MomentSource & { readonly scheduler: Scheduler },
  guest: RunningGuest | null,
): Promise<ControlServer> {
  return serveSocket(socket, ({ words: [verb, ...words], directory, program }, whom) => {
    if (verb === FOLLOW) return tellMoments(source, source.scheduler, whom);
    return outcomeOf(GUEST_VERB, program, () => {
      if (guest !== null && verb === GUEST_VERB.name) return guest.run(words, directory);
      throw new ToolstackError("FAIL", `domain '${name}' takes no commands`);
    });
  });
}
