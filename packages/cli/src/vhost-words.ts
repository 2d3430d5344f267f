// Knows what a person gives QEMU or libvirt so that a guest finds our vhost-user socket.

/** The controller of one guest. */
export interface VhostWords {
  /** The socket's absolute path. */
  readonly path: string;
  readonly queues: number;
  /** Of the guest's memory, as QEMU writes it. */
  readonly memory?: string;
}

/** QEMU's options; the memory has to be shared, as the server reads and writes it in place. */
export function qemuWords({ path, queues, memory = "1G" }: VhostWords): string[] {
  return [
    ...["-m", memory],
    ...["-object", `memory-backend-memfd,id=mem,size=${memory},share=on`],
    ...["-machine", "q35,memory-backend=mem"],
    ...controllerWords({ path, queues }),
  ];
}

/** The same as a command line, an option a line. */
export function qemuLine(words: VhostWords): string {
  const all = qemuWords(words);
  const lines: string[] = [];
  for (let i = 0; i < all.length; i += 2) lines.push(`  ${all[i]} ${shellWord(all[i + 1])}`);
  return ["qemu-system-x86_64", ...lines].join(" \\\n");
}

/** What stands in a libvirt domain: it has no element for this controller, so that QEMU's words go through it. */
export function libvirtXml(words: VhostWords): string {
  const argument = (word: string): string => `    <qemu:arg value='${xmlText(word)}'/>`;
  return [
    "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>",
    "  <memoryBacking>",
    "    <source type='memfd'/>",
    "    <access mode='shared'/>",
    "  </memoryBacking>",
    "  <qemu:commandline>",
    ...controllerWords(words).map(argument),
    "  </qemu:commandline>",
    "</domain>",
  ].join("\n");
}

/** A comma in a value is written twice. */
function controllerWords({ path, queues }: Pick<VhostWords, "path" | "queues">): string[] {
  return [
    ...["-chardev", `socket,id=pvscsi,path=${path.replaceAll(",", ",,")}`],
    ...["-device", `vhost-user-scsi-pci,id=scsi0,chardev=pvscsi,num_queues=${queues}`],
  ];
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const ENTITIES: { readonly [character: string]: string } = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;" };

function xmlText(text: string): string {
  return text.replaceAll(/[&<>']/g, (character) => ENTITIES[character]);
}
