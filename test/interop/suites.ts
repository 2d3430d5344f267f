// Knows which suites there are.

import { abiSuite } from "./abi/suite.js";
import { fioSuite } from "./fio/suite.js";
import { initiatorSuite } from "./initiator/suite.js";
import { iscsiKillSuite } from "./iscsi/kill-suite.js";
import { iscsiScaleSuite } from "./iscsi/scale-suite.js";
import { iscsiSuite } from "./iscsi/suite.js";
import { iscsiLinuxSuite } from "./iscsi-linux/suite.js";
import { libiscsiFullSuite, libiscsiSuite } from "./libiscsi/suite.js";
import { machinesSuite } from "./machines/suite.js";
import { passThroughSuite } from "./pass-through/suite.js";
import { processesFullSuite, processesSuite } from "./processes/suite.js";
import { qemuBlockSuite } from "./qemu/block-suite.js";
import { qemuCdSuite } from "./qemu/cd-suite.js";
import { qemuLibrarySuite } from "./qemu/library-suite.js";
import { qemuFullSuite, qemuOwnSuite, qemuSuite } from "./qemu/suite.js";
import { qemuTapeSuite } from "./qemu/tape-suite.js";
import { sharedSuite } from "./shared/suite.js";
import type { Suite } from "./suite.js";
import { tgtShortSuite, tgtSuite } from "./tgt/suite.js";
import { xenCreateSuite } from "./xen/create-suite.js";
import { xenFrontSuite } from "./xen/front-suite.js";
import { xenFullSuite } from "./xen/full-suite.js";
import { xenHostileSuite } from "./xen/hostile-suite.js";
import { xenPassSuite } from "./xen/pass-suite.js";
import { xenSideSuite } from "./xen/side-suite.js";
import { xenStoreSuite } from "./xen/store-suite.js";
import { xenSuite } from "./xen/suite.js";
import { xenstoreFullSuite } from "./xenstore/full-suite.js";
import { xenstoreSuite } from "./xenstore/suite.js";

export const suites: readonly Suite[] = [
  abiSuite,
  fioSuite,
  iscsiSuite,
  libiscsiSuite,
  tgtShortSuite,
  tgtSuite,
  processesSuite,
  machinesSuite,
  xenstoreSuite,
  xenSuite,
  xenFrontSuite,
  qemuSuite,
  qemuBlockSuite,
  sharedSuite,
  initiatorSuite,
  iscsiKillSuite,
  iscsiScaleSuite,
  libiscsiFullSuite,
  xenstoreFullSuite,
  processesFullSuite,
  xenFullSuite,
  xenStoreSuite,
  xenCreateSuite,
  xenPassSuite,
  xenSideSuite,
  xenHostileSuite,
  qemuFullSuite,
  qemuOwnSuite,
  qemuLibrarySuite,
  qemuTapeSuite,
  passThroughSuite,
  qemuCdSuite,
  iscsiLinuxSuite,
];
