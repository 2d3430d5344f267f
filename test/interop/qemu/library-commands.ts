// Knows what is done in a Linux guest with a tape library, command by command, and what each has to say.

export interface LibraryExchange {
  readonly command: string;
  /** What its output has; nothing at all where it is absent. */
  readonly says?: RegExp;
  readonly fails?: true;
}

export interface LibraryConversation {
  readonly name: string;
  readonly commands: readonly LibraryExchange[];
}

const runs = (command: string, says?: RegExp): LibraryExchange => ({ command, ...(says && { says }) });
const fails = (command: string, says: RegExp): LibraryExchange => ({ command, says, fails: true });
const mtx = (words: string, says?: RegExp): LibraryExchange => runs(`mtx -f $CHANGER ${words} 2>&1`, says);

/** The shell's words for the devices, which every command begins with. */
export const DEVICES =
  "CHANGER=/dev/sg0; DRIVE0=/dev/sg1; TAPE0=/dev/nst0; TAPE1=/dev/nst1; ARRAY=/dev/sg3; SHELF=/dev/sg4";

const LOADED = /Loading media from Storage Element \d+ into drive \d+\.\.\.done/;
const UNLOADED = /Unloading drive \d+ into Storage Element \d+\.\.\.done/;

/** A changer's script for tar: each volume is the next slot's. */
const NEXT_VOLUME = `cat > /tmp/next << 'END'
#!/bin/sh
mt-st -f /dev/nst0 offline && mtx -f /dev/sg0 unload $(cat /tmp/slot) 0 || exit 1
echo $(($(cat /tmp/slot) + 1)) > /tmp/slot
mtx -f /dev/sg0 load $(cat /tmp/slot) 0 && mt-st -f /dev/nst0 rewind
END
chmod +x /tmp/next`;

export const LIBRARY_COMMANDS: readonly LibraryConversation[] = [
  {
    name: "mtx inquiry, inventory and status",
    commands: [
      mtx("inquiry", /Product Type: Medium Changer\nVendor ID: 'PVSCSI {2}'\nProduct ID: 'VIRTUAL LIBRARY '/),
      mtx("inventory"),
      mtx("status", /2 Drives, 21 Slots \( 1 Import\/Export \)/),
      mtx("status", /Data Transfer Element 0:Empty\nData Transfer Element 1:Empty\n/),
      mtx("status", /Storage Element 1:Full :VolumeTag=A00001L8/),
      mtx("status", /Storage Element 11:Empty/),
      mtx("status", /Storage Element 21 IMPORT\/EXPORT:Empty/),
      runs("sg_inq $CHANGER", /PDT=8/),
      runs("sg_luns $CHANGER", /5 lun entries/),
      runs("loaderinfo -f $CHANGER", /Product Type: Medium Changer[\s\S]*Number of Storage Elements: 20/),
      runs("tapeinfo -f $DRIVE0", /Product Type: Tape Drive/),
    ],
  },
  {
    name: "mtx load, unload, transfer and exchange",
    commands: [
      mtx("load 1 0", LOADED),
      mtx("status", /Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = A00001L8/),
      mtx("load 2 1", LOADED),
      fails("mtx -f $CHANGER load 3 0 2>&1", /Drive 0 Full/),
      runs("mt-st -f $TAPE0 status", /BOT ONLINE/),
      fails("mtx -f $CHANGER unload 1 0 2>&1", /Additional Sense Code = 53[\s\S]*Additional Sense Qualifier = 03/),
      runs("mt-st -f $TAPE0 offline"),
      mtx("unload 1 0", UNLOADED),
      runs("mt-st -f $TAPE1 offline"),
      mtx("unload 12 1", UNLOADED),
      mtx("status", /Storage Element 12:Full :VolumeTag=A00002L8/),
      mtx("transfer 12 2"),
      mtx("exchange 1 2 11"),
      mtx("status", /Storage Element 2:Full :VolumeTag=A00001L8[\s\S]*Storage Element 11:Full :VolumeTag=A00002L8/),
      mtx("transfer 2 1"),
      mtx("transfer 11 2"),
      mtx("transfer 5 21"),
      mtx("status", /Storage Element 21 IMPORT\/EXPORT:Full :VolumeTag=A00005L8/),
      mtx("transfer 21 5"),
      fails(
        "mtx -f $CHANGER transfer 15 16 2>&1",
        /Additional Sense Code = 3B[\s\S]*Additional Sense Qualifier = 0E|Empty/,
      ),
    ],
  },
  {
    name: "tar over two cartridges, which the changer brings, and the same data again",
    commands: [
      runs("mkdir -p /tmp/d /tmp/r && dd if=/dev/urandom of=/tmp/d/a bs=1M count=6 2> /dev/null"),
      runs("dd if=/dev/urandom of=/tmp/d/b bs=1M count=5 2> /dev/null"),
      runs(NEXT_VOLUME),
      runs("echo 1 > /tmp/slot"),
      mtx("load 1 0", LOADED),
      runs("/usr/bin/tar -c -M -F /tmp/next -f $TAPE0 -C /tmp/d a b", LOADED),
      runs("cat /tmp/slot", /^2$/m),
      runs("mt-st -f $TAPE0 offline"),
      mtx("unload 2 0", UNLOADED),
      runs("echo 1 > /tmp/slot"),
      mtx("load 1 0", LOADED),
      runs("/usr/bin/tar -x -M -F /tmp/next -f $TAPE0 -C /tmp/r", LOADED),
      runs("cat /tmp/slot", /^2$/m),
      runs("cmp /tmp/d/a /tmp/r/a && cmp /tmp/d/b /tmp/r/b"),
      runs("[ $(cat /tmp/d/* | md5sum | cut -c-32) = $(cat /tmp/r/* | md5sum | cut -c-32) ]"),
      runs("mt-st -f $TAPE0 offline"),
      mtx("unload 2 0", UNLOADED),
    ],
  },
  {
    name: "sg_ses of a shelf: what is in it, and what lights; the controller of an array",
    commands: [
      runs("sg_inq $SHELF", /PDT=13[\s\S]*EncServ=1/),
      runs(
        "sg_ses $SHELF",
        /Configuration[\s\S]*Enclosure Status[\s\S]*Element Descriptor[\s\S]*Additional Element Status/,
      ),
      runs("sg_ses --page=cf $SHELF", /Element type: Array device slot.*\n.*possible.*: 4/),
      runs("sg_ses --page=es $SHELF", /status: OK[\s\S]*status: Not installed[\s\S]*4800 rpm[\s\S]*Temperature=25 C/),
      runs("sg_ses --page=ed $SHELF", /Slot 01 3:0:7:0[\s\S]*Slot 04/),
      runs("sg_ses --page=aes $SHELF", /device slot number: 0[\s\S]*SAS address: 0x3/),
      runs("sg_ses --index=0,1 --get=ident $SHELF", /^0$/m),
      runs("sg_ses --index=0,1 --set=ident $SHELF"),
      runs("sg_ses --index=0,1 --get=ident $SHELF", /^1$/m),
      runs("sg_ses --index=0,0 --get=ident $SHELF", /^0$/m),
      runs("sg_ses --index=0,3 --set=fault $SHELF"),
      runs("sg_ses --index=0,1 --clear=ident $SHELF"),
      runs("sg_ses --index=0,1 --get=ident $SHELF", /^0$/m),
      runs("sg_ses --index=0,3 --get=fault $SHELF", /^1$/m),
      runs("sg_inq $ARRAY", /PDT=12/),
      // Nobody has asked it before, so that it tells of its start first.
      runs("sg_turs $ARRAY > /dev/null 2>&1; sg_turs $ARRAY"),
      runs("sg_luns $ARRAY", /5 lun entries/),
    ],
  },
];
