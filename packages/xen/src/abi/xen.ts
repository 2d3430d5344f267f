// Knows xen/xen.h's reserved domain ids and xen/io/protocols.h's names.

/** DOMID_*: ids from `firstReserved` on are no domains. */
export const DomainIds = { self: 0x7ff0, firstReserved: 0x7ff0, invalid: 0x7ff4, idle: 0x7fff } as const;

/** XEN_IO_PROTO_ABI_*: values of a front end's `protocol` node. */
export const IoProtocol = { native: "x86_64-abi", x86_64: "x86_64-abi", x86_32: "x86_32-abi", arm: "arm-abi" } as const;
