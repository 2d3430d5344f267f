// Knows what a host adapter needs before it is measured without a guest.

import { Command, type HostAdapter } from "@pvscsi/scsi";

/** A disk that nobody has scanned still owes its power-on unit attention: TEST UNIT READY takes it. */
export function absorbAttention(adapter: HostAdapter): Promise<void> {
  const command = new Command();
  command.cdbLength = 6;
  return new Promise((resolve) => {
    command.completed = () => resolve();
    adapter.queue(command);
  });
}
