// Knows where the configurations are that come with the program.

import { fileURLToPath } from "node:url";

/** The folder, with a slash at its end. */
export const CONFIGS = fileURLToPath(new URL("../../../configs/", import.meta.url));
