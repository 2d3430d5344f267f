// Knows how the first program of every Linux here begins: with what any other program expects to find.

/** The first lines of an `/init`. */
export const FIRST_LINES = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/bin HOME=/ TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run`;
