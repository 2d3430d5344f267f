// Knows that there may be a package koffi, for a compiler that does not find it.

declare module "koffi" {
  const koffi: import("./koffi.js").Koffi;
  export default koffi;
}
