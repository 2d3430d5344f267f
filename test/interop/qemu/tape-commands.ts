// Knows what is done in a Linux guest to its tape drives, command by command, and what each has to say.

export interface Exchange {
  readonly command: string;
  /** What its output has; nothing at all where it is absent. */
  readonly says?: RegExp;
  readonly fails?: true;
}

export interface Conversation {
  readonly name: string;
  readonly commands: readonly Exchange[];
}

const T = "/dev/nst0";
const LENGTHS = "1 511 10240 65536 262144";
const mt = (words: string, says?: RegExp): Exchange => ({ command: `mt-st -f ${T} ${words}`, ...(says && { says }) });
const at = (file: number, block: number): Exchange =>
  mt("status", new RegExp(`File number=${file}, block number=${block},`));
const runs = (command: string, says?: RegExp): Exchange => ({ command, ...(says && { says }) });
const fails = (command: string, says: RegExp): Exchange => ({ command, says, fails: true });
/** Data that does not repeat; what a tape gives is compared with it. */
const MAKE = "mkdir -p /tmp/d && for i in 1 2 3; do dd if=/dev/urandom of=/tmp/d/$i bs=1M count=1 2> /dev/null; done";

export const COMMANDS: readonly Conversation[] = [
  {
    name: "mt status, setblk, and where the tape is",
    commands: [
      runs(MAKE),
      mt("status", /Tape block size 0 bytes\. Density code 0xe0/),
      mt("status", /BOT ONLINE IM_REP_EN/),
      mt("setblk 512"),
      mt("status", /Tape block size 512 bytes/),
      mt("setblk 0"),
      mt("tell", /At block 0\./),
      mt("densities", /density/i),
      mt("compression 1"),
      runs("sg_modes --page=0x0f /dev/sg0", /00 +0f 0e c0 80/),
      mt("compression 0"),
    ],
  },
  {
    name: "dd of variable blocks, of every length to the byte",
    commands: [
      runs(`for n in ${LENGTHS}; do dd if=/tmp/d/1 bs=$n count=1 2> /dev/null || exit 1; done > ${T}`),
      mt("weof"),
      mt("rewind"),
      runs(
        `for n in ${LENGTHS}; do dd of=/tmp/read bs=1M count=1 2> /dev/null; [ $(stat -c %s /tmp/read) = $n ] && cmp -n $n /tmp/read /tmp/d/1 || exit 1; done < ${T}`,
      ),
    ],
  },
  {
    name: "mt over files and records",
    commands: [
      mt("rewind"),
      mt("weof 1"),
      runs(`dd if=/tmp/d/1 of=${T} bs=10240 count=5 2> /dev/null`),
      mt("weof 2"),
      mt("rewind"),
      at(0, 0),
      mt("fsf 1"),
      at(1, 0),
      mt("fsr 3"),
      at(1, 3),
      mt("tell", /At block 4\./),
      mt("bsr 2"),
      at(1, 1),
      mt("seek 3"),
      mt("tell", /At block 3\./),
      mt("eod"),
      mt("tell", /At block 9\./),
      mt("status", /EOD/),
      mt("tell", /At block 9\./),
      mt("bsf 2"),
      mt("tell", /At block 7\./),
      mt("rewind"),
      mt("asf 2"),
      mt("tell", /At block 7\./),
      fails(`mt-st -f ${T} fsf 9`, /Input\/output error/),
      mt("rewind"),
      fails(`mt-st -f ${T} bsr 1`, /Input\/output error/),
    ],
  },
  {
    name: "fixed blocks are what was written, and only whole",
    commands: [
      mt("rewind"),
      mt("setblk 1024"),
      runs(`dd if=/tmp/d/2 of=${T} bs=64k 2> /dev/null`),
      mt("weof"),
      mt("rewind"),
      runs(`dd if=${T} bs=64k 2> /dev/null | cmp - /tmp/d/2`),
      fails(`dd if=/tmp/d/2 of=${T} bs=1000 count=1 2>&1`, /Invalid argument/),
      mt("setblk 0"),
    ],
  },
  {
    name: "tar writes, compares and reads three files, and another archive behind them",
    commands: [
      mt("rewind"),
      runs(`cd /tmp && /usr/bin/tar -c -f ${T} d`),
      runs(`cd /tmp && /usr/bin/tar -c -b 100 -f ${T} d/3`),
      mt("rewind"),
      runs(`cd /tmp && /usr/bin/tar -d -f ${T}`),
      mt("rewind"),
      mt("fsf 1"),
      runs(`/usr/bin/tar -t -b 100 -f ${T}`, /^d\/3$/m),
      mt("rewind"),
      runs(
        `mkdir -p /tmp/back && cd /tmp/back && /usr/bin/tar -x -f ${T} && for i in 1 2 3; do cmp d/$i /tmp/d/$i || exit 1; done`,
      ),
    ],
  },
  {
    name: "a backup spans two cartridges and comes back whole",
    commands: [
      runs("cd /tmp && /usr/bin/tar -c -M -f /dev/nst1 -f /dev/nst2 d 2>&1"),
      runs("mt-st -f /dev/nst1 rewind && mt-st -f /dev/nst2 rewind"),
      runs(
        "rm -rf /tmp/back && mkdir /tmp/back && cd /tmp/back && /usr/bin/tar -x -M -f /dev/nst1 -f /dev/nst2 && for i in 1 2 3; do cmp d/$i /tmp/d/$i || exit 1; done",
      ),
    ],
  },
  {
    name: "a full tape is told, and what was written is there",
    commands: [
      runs("mt-st -f /dev/nst1 rewind"),
      fails("dd if=/dev/zero of=/dev/nst1 bs=64k count=100 2>&1", /No space left on device/),
      runs("mt-st -f /dev/nst1 weof && mt-st -f /dev/nst1 rewind"),
      runs("dd if=/dev/nst1 of=/dev/null bs=64k 2>&1", /3\d\+0 records in/),
    ],
  },
  {
    name: "what is written once, or protected, stays",
    commands: [
      runs("dd if=/tmp/d/1 of=/dev/nst3 bs=10240 count=2 2> /dev/null"),
      runs("mt-st -f /dev/nst3 rewind"),
      fails("dd if=/tmp/d/2 of=/dev/nst3 bs=10240 count=1 2>&1", /error|Permission|Read-only/i),
      runs("mt-st -f /dev/nst3 rewind"),
      runs("dd if=/dev/nst3 bs=10240 count=1 2> /dev/null | cmp -n 10240 - /tmp/d/1"),
      fails("dd if=/tmp/d/2 of=/dev/nst4 bs=10240 count=1 2>&1", /Read-only|Permission denied/i),
      runs("mt-st -f /dev/nst4 status", /WR_PROT/),
    ],
  },
  {
    name: "two partitions by mt",
    commands: [
      mt("rewind"),
      mt("stoptions scsi2logical can-partitions"),
      mt("mkpartition 16"),
      mt("setpartition 0"),
      runs(`dd if=/tmp/d/1 of=${T} bs=10240 count=3 2> /dev/null`),
      mt("weof"),
      mt("setpartition 1"),
      runs(`dd if=/tmp/d/2 of=${T} bs=10240 count=3 2> /dev/null`),
      mt("weof"),
      mt("partseek 1 1"),
      mt("status", /partition=1/),
      mt("partseek 0 0"),
      runs(`dd if=${T} bs=10240 2> /dev/null | cmp -n 30720 - /tmp/d/1`),
      mt("setpartition 0"),
      mt("rewind"),
      mt("mkpartition 0"),
      fails(`mt-st -f ${T} setpartition 1`, /Input\/output error|Invalid argument/),
    ],
  },
  {
    name: "erase, offline and load",
    commands: [
      runs(`dd if=/tmp/d/1 of=${T} bs=10240 count=3 2> /dev/null`),
      mt("rewind"),
      mt("erase"),
      mt("rewind"),
      fails(`dd if=${T} bs=10240 2>&1`, /Input\/output error/),
      runs(`dd if=/tmp/d/1 of=${T} bs=10240 count=3 2> /dev/null`),
      mt("weof"),
      mt("offline"),
      mt("status", /DR_OPEN/),
      mt("load"),
      mt("status", /ONLINE/),
      mt("rewind"),
      mt("status", /BOT ONLINE/),
      mt("lock"),
      fails("sg_raw /dev/sg0 1b 00 00 00 00 00 2>&1", /removal prevented/i),
      mt("unlock"),
      runs(`dd if=${T} bs=10240 2> /dev/null | cmp -n 30720 - /tmp/d/1`),
    ],
  },
  {
    name: "sg3_utils",
    commands: [
      runs("sg_turs /dev/sg0"),
      runs("sg_inq /dev/sg0", /tape/),
      runs("sg_vpd --page=sv /dev/sg0", /\[sad\]/),
      runs("sg_vpd --page=0xb0 /dev/sg0", /WORM=1/),
      runs("sg_vpd --page=0xb1 /dev/sg0", /TAPE0/),
      runs("sg_modes -a /dev/sg0", /Data Compression/i),
      runs("sg_modes --page=0x11 /dev/sg0", /partition/i),
      runs("sg_logs --page=0x0c /dev/sg0", /Data bytes received/i),
      runs("sg_logs --page=0x2e /dev/sg0", /Tape ?alert/i),
      runs("sg_read_attr /dev/sg0", /Barcode: PV0001L6/i),
      runs("sg_opcodes /dev/sg0", /Locate\(16\)/i),
      runs("sg_luns /dev/sg0", /5 lun entries/),
      runs("sg_raw --request=56 /dev/sg0 44 00 00 00 00 00 00 00 38 00 2>&1", /00 36 00 00 e0 e0 a0/),
      runs("sg_raw --request=32 /dev/sg0 34 08 00 00 00 00 00 00 20 00 2>&1", /SCSI Status: Good/),
    ],
  },
];
