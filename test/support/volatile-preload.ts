// A module to be loaded before a program (`node --import`): its disks lose what is not durable when its power is cut. VOLATILE_LIES
// makes it one whose disks, or whose FUA, are not to be believed.

import { FileStore } from "@pvscsi/host";
import type { StoreRequest } from "@pvscsi/scsi";
import { makeFilesVolatile } from "./volatile-file.js";

const lies = process.env.VOLATILE_LIES;
makeFilesVolatile({ lying: lies === "flush" });
if (lies === "fua") {
  const { submit } = FileStore.prototype;
  FileStore.prototype.submit = function (request: StoreRequest): void {
    request.fua = false;
    submit.call(this, request);
  };
}
