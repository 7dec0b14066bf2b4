/*
 * Paging: which accesses fault, with which error code, and which accessed and dirty bits they leave. The expectations are
 * SDM Vol. 3A's, 4.6 to 4.8. `M_` of a row's access is what is done; rights are those of the last-level entry.
 */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40 };
#define NX (UINT64_C(1) << 63)
enum access { READ, WRITE, FETCH };
enum { CR0 = 0x80000011, WP = 0x10000 };
enum { PAE = 0x20, SMEP = 1 << 20, SMAP = 1 << 21 };
#define AC (UINT64_C(1) << 18)

struct row {
	const char *name;
	enum guest_mode mode;
	unsigned int cpl;
	enum access access;
	uint64_t entry;       /* rights of the page */
	uint64_t cr0, cr4, efer, rflags; /* beyond the basic ones */
	int error_code;       /* of the page fault, -1: none */
	uint64_t after;       /* A and D of the entry then */
};

static const struct row rows[] = {
	{ "read", GUEST_64, 0, READ, P | W | U, 0, 0, 0, 0, -1, A },
	{ "write", GUEST_64, 0, WRITE, P | W | U, 0, 0, 0, 0, -1, A | D },
	{ "read not present", GUEST_64, 0, READ, W | U, 0, 0, 0, 0, 0, 0 },
	{ "write not present", GUEST_64, 0, WRITE, W | U, 0, 0, 0, 0, 2, 0 },
	{ "user read not present", GUEST_64, 3, READ, W | U, 0, 0, 0, 0, 4, 0 },
	{ "user reads supervisor page", GUEST_64, 3, READ, P | W, 0, 0, 0, 0, 5, 0 },
	{ "user writes supervisor page", GUEST_64, 3, WRITE, P | W, 0, 0, 0, 0, 7, 0 },
	{ "user writes read-only page", GUEST_64, 3, WRITE, P | U, 0, 0, 0, 0, 7, 0 },
	{ "supervisor writes read-only page, WP clear", GUEST_64, 0, WRITE, P | U, 0, 0, 0, 0, -1, A | D },
	{ "supervisor writes read-only page, WP set", GUEST_64, 0, WRITE, P | U, WP, 0, 0, 0, 3, 0 },
	{ "NX data", GUEST_64, 0, READ, P | W | NX, 0, 0, 0x800, 0, -1, A },
	{ "NX fetch", GUEST_64, 0, FETCH, P | W | NX, 0, 0, 0x800, 0, 0x11, 0 },
	{ "NX reserved without NXE", GUEST_64, 0, READ, P | W | NX, 0, 0, 0, 0, 9, 0 },
	{ "reserved address bit", GUEST_64, 0, READ, P | W | UINT64_C(1) << 51, 0, 0, 0, 0, 9, 0 },
	{ "fetch not present, no NXE", GUEST_64, 0, FETCH, W, 0, 0, 0, 0, 0, 0 },
	{ "fetch not present, NXE", GUEST_64, 0, FETCH, W, 0, 0, 0x800, 0, 0x10, 0 },
	{ "SMEP", GUEST_64, 0, FETCH, P | W | U, 0, SMEP, 0, 0, 0x11, 0 },
	{ "SMEP, supervisor page", GUEST_64, 0, FETCH, P | W, 0, SMEP, 0, 0, -1, A },
	{ "SMAP read", GUEST_64, 0, READ, P | W | U, 0, SMAP, 0, 0, 1, 0 },
	{ "SMAP write", GUEST_64, 0, WRITE, P | W | U, 0, SMAP, 0, 0, 3, 0 },
	{ "SMAP, AC set", GUEST_64, 0, READ, P | W | U, 0, SMAP, 0, AC, -1, A },
	{ "32-bit read", GUEST_32, 0, READ, P | W | U, 0, 0, 0, 0, -1, A },
	{ "32-bit write", GUEST_32, 0, WRITE, P | W | U, 0, 0, 0, 0, -1, A | D },
	{ "32-bit user write of read-only page", GUEST_32, 3, WRITE, P | U, 0, 0, 0, 0, 7, 0 },
	{ "32-bit WP", GUEST_32, 0, WRITE, P | U, WP, 0, 0, 0, 3, 0 },
	{ "32-bit not present", GUEST_32, 0, READ, 0, 0, 0, 0, 0, 0, 0 },
};

/* mov (%rdi), %eax; hlt -- mov %eax, (%rdi); hlt -- jmp *%rdi; the page holds a HLT. With CPL 3, INT 0x80 instead of HLT. */
static const uint8_t codes[3][8] = { { 0x8b, 0x07, 0xcd, 0x80 }, { 0x89, 0x07, 0xcd, 0x80 }, { 0xff, 0xe7 } };

static unsigned int passed, failed, skipped;

static void entry_write(struct guest *guest, uint64_t linear, uint64_t rights)
{
	if (guest->mode == GUEST_64)
		*(uint64_t *)guest_pte(guest, linear) = linear | rights;
	else
		*(uint32_t *)guest_pte(guest, linear) = (uint32_t)(linear | rights);
}

static uint64_t entry_read(struct guest *guest, uint64_t linear)
{
	return guest->mode == GUEST_64 ? *(uint64_t *)guest_pte(guest, linear) : *(uint32_t *)guest_pte(guest, linear);
}

/* Everything but the page in question is a supervisor page, so that SMEP and SMAP let the code run. */
static void map_supervisor(struct guest *guest, unsigned int cpl)
{
	for (uint64_t linear = 0; cpl == 0 && linear < GUEST_SIZE; linear += 4096)
		entry_write(guest, linear, P | W);
}

static bool check(const struct row *row, const struct outcome *outcome, uint64_t entry)
{
	if (outcome->error || outcome->exit != KVM_EXIT_HLT) {
		printf("FAIL %s: exit %u, errno %d, rip 0x%llx\n", row->name, outcome->exit, outcome->error, (unsigned long long)outcome->regs.rip);
		return false;
	}
	if (row->error_code < 0 ? outcome->vector != 0x80 : outcome->vector != 14 || outcome->error_code != (uint64_t)row->error_code || outcome->cr2 != GUEST_DATA) {
		printf("FAIL %s: vector %d, error code 0x%llx, cr2 0x%llx; expected error code 0x%x\n", row->name, outcome->vector,
		       (unsigned long long)outcome->error_code, (unsigned long long)outcome->cr2, (unsigned int)row->error_code);
		return false;
	}
	if ((entry & (A | D)) != row->after) {
		printf("FAIL %s: accessed and dirty bits 0x%llx, expected 0x%llx\n", row->name, (unsigned long long)(entry & (A | D)), (unsigned long long)row->after);
		return false;
	}
	return true;
}

static void run_row(const struct row *row)
{
	static const uint8_t landing[] = { 0xcd, 0x80 };
	struct kvm_regs regs = { .rdi = GUEST_DATA, .rflags = row->rflags | 2 };
	struct kvm_sregs sregs;
	struct outcome outcome;
	struct guest guest;

	guest_open(&guest, row->mode);
	memcpy(guest.memory + GUEST_DATA, landing, sizeof landing);
	ioctl(guest.vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = guest_map(&guest);
	map_supervisor(&guest, row->cpl);
	entry_write(&guest, GUEST_DATA, row->entry);
	sregs.cr0 = CR0 | row->cr0;
	sregs.cr4 = (row->mode == GUEST_64 ? PAE : 0) | row->cr4;
	sregs.efer = (row->mode == GUEST_64 ? 0x500 : 0) | row->efer;
	sregs.cs.l = row->mode == GUEST_64;
	if (ioctl(guest.vcpu, KVM_SET_SREGS, &sregs)) {
		printf("skip %s: this KVM has not got it\n", row->name);
		skipped++;
		guest_close(&guest);
		return;
	}
	outcome = guest_go(&guest, row->cpl, codes[row->access], sizeof codes[0], regs);
	if (check(row, &outcome, entry_read(&guest, GUEST_DATA)))
		passed++;
	else
		failed++;
	guest_close(&guest);
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof rows / sizeof *rows; i++)
		run_row(&rows[i]);
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}
