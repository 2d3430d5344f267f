/*
 * Knows what xenstored 4.17 asks a hypervisor for, and answers without one, so that it runs on any Linux: compiled three times, as
 * libxenctrl, libxenevtchn and libxengnttab. Files in the folder $NO_HYPERVISOR stand for what is shared:
 *
 *   ring-N  the page by which domain N talks to xenstored, once it is introduced
 *   events  a pipe; whoever writes 100 + N, in four bytes, has notified xenstored of domain N
 *   kva     dom0's own page, and
 *   port    its port, which nobody uses
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, FIRST_PORT = 100, FIRST_RESERVED = 0x7ff0, NAME = 512 };

static int events = -1;
static int handle;

static int open_file(const char *name, int flags)
{
	return syscall(SYS_openat, AT_FDCWD, name, flags, 0600);
}

static const char *shared(char *buffer, const char *name, unsigned number)
{
	const char *folder = getenv("NO_HYPERVISOR");
	int length = snprintf(buffer, NAME, "%s/", folder ? folder : ".");

	snprintf(buffer + length, NAME - length, name, number);
	return buffer;
}

/* Event channels. */

void *xenevtchn_open(void *logger, unsigned flags)
{
	char buffer[NAME];
	const char *path = shared(buffer, "events", 0);

	mkfifo(path, 0600);
	events = open_file(path, O_RDWR | O_NONBLOCK);
	return events < 0 ? NULL : &handle;
}

void *xenevtchn_fdopen(void *logger, int file, unsigned flags)
{
	return NULL;
}

int xenevtchn_fd(void *channels)
{
	return events;
}

int xenevtchn_pending(void *channels)
{
	uint32_t port;

	return read(events, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_bind_interdomain(void *channels, unsigned domain, unsigned port)
{
	return FIRST_PORT + domain;
}

int xenevtchn_bind_virq(void *channels, unsigned number)
{
	return 1;
}

int xenevtchn_notify(void *channels, unsigned port)
{
	return 0;
}

int xenevtchn_unmask(void *channels, unsigned port)
{
	return 0;
}

int xenevtchn_unbind(void *channels, unsigned port)
{
	return 0;
}

/* Grants. */

void *xengnttab_open(void *logger, unsigned flags)
{
	return &handle;
}

int xengnttab_close(void *table)
{
	return 0;
}

int xengnttab_set_max_grants(void *table, uint32_t count)
{
	return 0;
}

void *xengnttab_map_grant_ref(void *table, uint32_t domain, uint32_t reference, int access)
{
	char buffer[NAME];
	int file = open_file(shared(buffer, "ring-%u", domain), O_RDWR | O_CREAT);
	void *page = MAP_FAILED;

	if (file >= 0 && ftruncate(file, PAGE) == 0)
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(void *table, void *page, uint32_t count)
{
	return munmap(page, PAGE);
}

/* Domains: every number below the reserved ones is one that lives. */

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags)
{
	return &handle;
}

int xc_interface_close(void *interface)
{
	return 0;
}

/* The first 16 bytes of xc_dominfo_t: its number, its label, and flags such as `dying`. */
int xc_domain_getinfo(void *interface, uint32_t first, unsigned most, void *information)
{
	if (first >= FIRST_RESERVED)
		return 0;
	memset(information, 0, 16);
	memcpy(information, &first, sizeof(first));
	return 1;
}

/* What the kernel of a dom0 has in /proc/xen. */

int open(const char *path, int flags, ...)
{
	char buffer[NAME];
	va_list more;
	int mode;

	va_start(more, flags);
	mode = flags & O_CREAT ? va_arg(more, int) : 0;
	va_end(more);
	if (strcmp(path, "/proc/xen/xsd_kva") == 0)
		path = shared(buffer, "kva", 0);
	else if (strcmp(path, "/proc/xen/xsd_port") == 0)
		path = shared(buffer, "port", 0);
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
