// Knows how a toolstack operation fails: with libxl's name for it and a reason for a person.

/** libxl's errors (libxl_types.idl), as far as they are used here. */
export type LibxlError = "FAIL" | "INVAL" | "TIMEDOUT" | "NOT_READY" | "DEVICE_EXISTS" | "DOMAIN_NOTFOUND" | "NOTFOUND";

/** An operation failed and has left nothing half done, unless its message says so. */
export class ToolstackError extends Error {
  override readonly name = "ToolstackError";
  readonly code: LibxlError;

  constructor(code: LibxlError, message: string) {
    super(message);
    this.code = code;
  }
}
