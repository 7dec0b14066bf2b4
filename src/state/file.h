/*
 * State files: an ELF core file whose notes hold the vCPUs, and whose loadable segments are the guest's memory. What gdb, crash and readelf
 * know stands in notes of "CORE"; the whole state in notes of "ANYKVM", one of them a sum over all notes. The sums of the memory stand behind it. So a file is
 * written and read from its beginning to its end, without seeking. anykvm-state(5) has the same for people.
 */
#ifndef ANYKVM_STATE_FILE_H
#define ANYKVM_STATE_FILE_H

#include <stdint.h>

#define FILE_VERSION 1
#define FILE_PAGE 4096u
/* What notes can take up at most: every vCPU there can be. */
#define FILE_NOTES_MAX (512u << 20)

#define NOTE_OWNER "ANYKVM"

/* The notes' types, in the file's order, far from those that readelf has names for. Numbers are in the host's byte order, which ELF's header tells. */
enum { NOTE_STATE = 0x4b564d01, NOTE_REGS, NOTE_PART, NOTE_MEMORY, NOTE_SUM };

struct note_state {
	uint32_t version, vcpus;
	uint64_t arch;
	uint32_t memory, unused; /* how many pieces */
	char origin[256];
};

/* Then `count` times: the id, and the value in as many bytes as it has, rounded up to 8. */
struct note_regs {
	uint32_t vcpu, count;
};

/* Then the bytes. */
struct note_part {
	int32_t vcpu; /* -1: the VM */
	uint32_t size;
	char name[16];
};

struct note_memory {
	uint64_t address, size, offset; /* in the file */
	uint32_t slot, flags;
};

/* XXH3 of all notes before this one. */
struct note_sum {
	uint64_t sum;
};

/* Behind the memory: XXH3 of each piece's pages that are not zero, one after the other; then the magic number. */
#define FILE_END 0x444e454d564b594eULL

#endif
