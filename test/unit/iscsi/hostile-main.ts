// Knows `node test/dist/unit/iscsi/hostile-main.js --seed N [--count N] [--pdus N]`: hostile initiators at a portal, history by
// history, until each has sent so many PDUs that are not as they should be; with time and memory at the end.

import { runHostile } from "../../support/hostile-run.js";
import { hostileHistory } from "./hostile-history.js";

await runHostile({ option: "pdus", title: "PDUs", many: 2000 }, hostileHistory);
