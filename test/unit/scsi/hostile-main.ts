// Knows `node test/dist/unit/scsi/hostile-main.js --seed N [--count N] [--commands N]`: random commands at a target, history
// by history, with time and memory at the end.

import { runHostile } from "../../support/hostile-run.js";
import { hostileCommands } from "./hostile-commands.js";

await runHostile({ option: "commands", title: "commands", many: 10_000 }, hostileCommands);
