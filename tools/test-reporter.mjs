// Knows how a mocha run is told: as mocha's spec reporter tells it, and in out/test-result.json for other programs.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Mocha from "mocha";

const resultFile = join(dirname(dirname(fileURLToPath(import.meta.url))), "out", "test-result.json");

/** After the last test Node should end by itself; what still holds it after this time was left open by a test. */
const GRACE_MILLISECONDS = 5000;

/** mocha takes a reporter only as the module's default or only export. */
export default class TestReporter extends Mocha.reporters.Spec {
  /** What is open before the first test, like the pipes of a run whose output is kept. */
  #atStart;

  constructor(runner, options) {
    super(runner, options);
    this.#atStart = process.getActiveResourcesInfo();
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      this.#write(0);
      setTimeout(() => this.#leftOpen(), GRACE_MILLISECONDS).unref();
    });
  }

  #leftOpen() {
    const open = process.getActiveResourcesInfo();
    for (const kind of this.#atStart) if (open.includes(kind)) open.splice(open.indexOf(kind), 1);
    console.error(`\n  The tests are over, but something they opened is not: ${open.join(", ")}\n`);
    this.#write(1);
    // mocha sets the exit status in a listener of its own, added before this one.
    process.on("exit", () => {
      process.exitCode = 1;
    });
    process.exit();
  }

  #write(more) {
    const { passes, failures, pending } = this.stats;
    mkdirSync(dirname(resultFile), { recursive: true });
    writeFileSync(resultFile, `${JSON.stringify({ passed: passes, failed: failures + more, skipped: pending })}\n`);
  }
}
