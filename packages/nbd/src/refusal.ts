// Knows what makes a request wrong before any store sees it, and which error the protocol wants for it.

import { CommandFlag, CommandType, ERRORS, type NbdError } from "./abi/transmission.js";
import type { Choice } from "./options.js";
import type { NbdRequest } from "./request.js";

/** The error a request is answered with at once, or null when the store is to execute it. */
export function refusal(request: NbdRequest, choice: Choice): NbdError | null {
  const { command, flags, offset, length } = request;
  const { store, readOnly, minimumBlock, maximumPayload, size } = choice.export;
  const advertised = choice.export.flags(choice.structured);
  if ((flags & ~command.flags) !== 0) return ERRORS.EINVAL;
  if ((flags & CommandFlag.df) !== 0 && !choice.structured) return ERRORS.EINVAL;
  if (command.writes && readOnly) return ERRORS.EPERM;
  if ((command.needs & ~advertised) !== 0) return ERRORS.EINVAL;
  if (command.beyondEnd === null) return offset === 0 && length === 0 ? null : ERRORS.EINVAL;
  if (command.payload !== "none" && length > maximumPayload) return tooLong(request, choice);
  if (offset + length > size) return command.beyondEnd;
  if (offset % minimumBlock !== 0 || length % minimumBlock !== 0) return ERRORS.EINVAL;
  if (command.type === CommandType.blockStatus && (!choice.allocation || length === 0)) return ERRORS.EINVAL;
  // Only a store that can let go of space zeroes a range faster than by writing it, and then it leaves a hole.
  const fast = store.features.discard && (flags & CommandFlag.noHole) === 0;
  return (flags & CommandFlag.fastZero) !== 0 && !fast ? ERRORS.ENOTSUP : null;
}

/** EOVERFLOW is only for reads that might have been cut into chunks. */
function tooLong(request: NbdRequest, choice: Choice): NbdError {
  return request.command.type === CommandType.read && choice.structured ? ERRORS.EOVERFLOW : ERRORS.EINVAL;
}
