// Knows where Xen's own clients look for a host's xenstored.

import { XENBUS_PATH } from "@pvscsi/xenbus";

/** As libxenstore 4.17 does: the first that can be opened is taken. */
export function storePaths({ XENSTORED_PATH, XENSTORED_RUNDIR }: NodeJS.ProcessEnv): readonly string[] {
  if (XENSTORED_PATH !== undefined) return [XENSTORED_PATH];
  return [`${XENSTORED_RUNDIR ?? "/run/xenstored"}/socket`, XENBUS_PATH];
}
