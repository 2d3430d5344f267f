// Knows the command line of `pvscsi doctor`.

import { Argument, type Command } from "commander";
import { DOCTOR_TRANSPORTS, diagnose, formatDiagnoses } from "./doctor.js";
import { hostFacts } from "./host-facts.js";
import type { Printer } from "./printer.js";
import { Exit } from "./verb.js";

/** Adds the command to a program; `finish` gets its exit status. */
export function addDoctorCommand(program: Command, printer: Printer, finish: (status: number) => void): void {
  program
    .command("doctor")
    .description("what each transport needs of this machine, what is missing, and how to mend it")
    .addArgument(
      new Argument("[transports...]", "those that have to work here (default: all are shown)").choices(
        DOCTOR_TRANSPORTS,
      ),
    )
    .option("--json", "print JSON")
    .addHelpText("after", "\nThe status is 0 when all is there that a transport needs which was named.")
    .addHelpText("after", "\nExample: pvscsi doctor xen-serve")
    .action(async (named: readonly string[], { json }: { readonly json?: true }) => {
      const rows = await diagnose(hostFacts(), named.length === 0 ? DOCTOR_TRANSPORTS : named);
      printer.print(json ? JSON.stringify(rows, null, 2) : formatDiagnoses(rows));
      finish(named.length > 0 && rows.some(({ mend }) => mend !== null) ? Exit.failed : Exit.done);
    });
}
