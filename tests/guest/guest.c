#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static struct kvm_segment segment(uint16_t selector, bool code, enum guest_mode mode)
{
	return (struct kvm_segment){ .base = 0, .limit = 0xffffffff, .selector = selector, .type = code ? 11 : 3, .present = 1,
				     .dpl = selector & 3, .s = 1, .g = 1, .db = !(code && mode == GUEST_64), .l = code && mode == GUEST_64 };
}

static uint64_t descriptor(const struct kvm_segment *s)
{
	uint64_t limit = s->g ? s->limit >> 12 : s->limit;

	return (limit & 0xffff) | (s->base & 0xffffff) << 16 | (uint64_t)s->type << 40 | (uint64_t)s->s << 44 | (uint64_t)s->dpl << 45 |
	       (uint64_t)s->present << 47 | (limit >> 16 & 0xf) << 48 | (uint64_t)s->l << 53 | (uint64_t)s->db << 54 | (uint64_t)s->g << 55 |
	       (s->base >> 24 & 0xff) << 56;
}

static struct kvm_segment task_segment(void)
{
	return (struct kvm_segment){ .base = GUEST_TSS, .limit = 0xfff, .selector = SELECTOR_TSS, .type = 11, .present = 1 };
}

static void tables_write(struct guest *guest)
{
	static const uint16_t selectors[] = { SELECTOR_CODE, SELECTOR_DATA, SELECTOR_USER_CODE, SELECTOR_USER_DATA };
	uint64_t *gdt = (uint64_t *)(guest->memory + GUEST_GDT);
	struct kvm_segment task = task_segment();

	for (unsigned int i = 0; i < 4; i++) {
		struct kvm_segment s = segment(selectors[i], i % 2 == 0, guest->mode);

		gdt[selectors[i] >> 3] = descriptor(&s);
	}
	gdt[SELECTOR_TSS >> 3] = descriptor(&task);
	gdt[(SELECTOR_TSS >> 3) + 1] = 0;
	for (unsigned int vector = 0; vector < 256; vector++) {
		uint64_t handler = GUEST_HANDLERS + 16 * vector, gate = (handler & 0xffff) | (uint64_t)SELECTOR_CODE << 16 | UINT64_C(0xee00) << 32;

		guest->memory[handler] = 0xf4;
		if (guest->mode == GUEST_64) {
			((uint64_t *)(guest->memory + GUEST_IDT))[2 * vector] = gate;
			((uint64_t *)(guest->memory + GUEST_IDT))[2 * vector + 1] = 0;
		} else {
			((uint64_t *)(guest->memory + GUEST_IDT))[vector] = gate;
		}
	}
	if (guest->mode == GUEST_64) {
		uint64_t stack = GUEST_STACK;

		memcpy(guest->memory + GUEST_TSS + 4, &stack, 8);
	} else {
		uint32_t stack[2] = { GUEST_STACK, SELECTOR_DATA };

		memcpy(guest->memory + GUEST_TSS + 4, stack, 8);
	}
}

void guest_open(struct guest *guest, enum guest_mode mode)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 256 * sizeof cpuid->entries[0]);

	memset(guest, 0, sizeof *guest);
	guest->mode = mode;
	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest->kvm < 0) {
		printf("no KVM: %s\n", strerror(errno));
		exit(77);
	}
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	must(guest->vm >= 0, "KVM_CREATE_VM");
	guest->memory = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(guest->memory != MAP_FAILED, "mmap");
	region.userspace_addr = (uint64_t)guest->memory;
	must(ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "KVM_SET_USER_MEMORY_REGION");
	guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	must(guest->vcpu >= 0, "KVM_CREATE_VCPU");
	guest->run = mmap(NULL, (size_t)ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	must(guest->run != MAP_FAILED, "mmap of the vCPU");
	must(cpuid != NULL, "calloc");
	cpuid->nent = 256;
	must(ioctl(guest->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) == 0, "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(guest->vcpu, KVM_SET_CPUID2, cpuid) == 0, "KVM_SET_CPUID2");
	free(cpuid);
	tables_write(guest);
}

void guest_close(struct guest *guest)
{
	close(guest->vcpu);
	close(guest->vm);
	close(guest->kvm);
	munmap(guest->memory, GUEST_SIZE);
}

uint64_t guest_map(struct guest *guest)
{
	uint64_t pages = GUEST_SIZE / 4096;

	if (guest->mode == GUEST_32) {
		uint32_t *directory = (uint32_t *)(guest->memory + GUEST_TABLES), *table = directory + 1024;

		memset(directory, 0, 4096);
		for (uint64_t i = 0; i < pages; i++)
			table[i] = (uint32_t)(i << 12 | 7);
		for (uint64_t i = 0; i < pages / 1024; i++)
			directory[i] = (uint32_t)(GUEST_TABLES + 4096 * (i + 1)) | 7;
		return GUEST_TABLES;
	}
	uint64_t *level[3], *table = (uint64_t *)(guest->memory + GUEST_TABLES + 0x3000);

	for (unsigned int i = 0; i < 3; i++) {
		level[i] = (uint64_t *)(guest->memory + GUEST_TABLES + 0x1000 * i);
		memset(level[i], 0, 4096);
	}
	level[0][0] = (GUEST_TABLES + 0x1000) | 7;
	level[1][0] = (GUEST_TABLES + 0x2000) | 7;
	for (uint64_t i = 0; i < pages / 512; i++)
		level[2][i] = (GUEST_TABLES + 0x3000 + 0x1000 * i) | 7;
	for (uint64_t i = 0; i < pages; i++)
		table[i] = i << 12 | 7;
	return GUEST_TABLES;
}

void *guest_pte(struct guest *guest, uint64_t linear)
{
	if (guest->mode == GUEST_32)
		return (uint32_t *)(guest->memory + GUEST_TABLES + 0x1000) + linear / 4096;
	return (uint64_t *)(guest->memory + GUEST_TABLES + 0x3000) + linear / 4096;
}

static void outcome_read(struct guest *guest, struct outcome *outcome)
{
	struct kvm_sregs sregs;
	unsigned int word = guest->mode == GUEST_64 ? 8 : 4;
	uint64_t at;

	must(ioctl(guest->vcpu, KVM_GET_REGS, &outcome->regs) == 0, "KVM_GET_REGS");
	must(ioctl(guest->vcpu, KVM_GET_SREGS, &sregs) == 0, "KVM_GET_SREGS");
	outcome->cr2 = sregs.cr2;
	outcome->vector = -1;
	outcome->rip = outcome->regs.rip;
	outcome->rsp = outcome->regs.rsp;
	at = outcome->regs.rip - GUEST_HANDLERS;
	if (outcome->exit != KVM_EXIT_HLT || at >= 256 * 16 || outcome->rsp >= GUEST_SIZE)
		return;
	outcome->vector = (int)(at / 16);
	at = outcome->rsp;
	if ((outcome->vector >= 10 && outcome->vector <= 14) || outcome->vector == 8 || outcome->vector == 17) {
		outcome->error_code = 0;
		memcpy(&outcome->error_code, guest->memory + at, word);
		at += word;
	}
	outcome->rip = 0;
	memcpy(&outcome->rip, guest->memory + at, word);
}

struct outcome guest_continue(struct guest *guest)
{
	struct outcome outcome = { 0 };

	if (ioctl(guest->vcpu, KVM_RUN, 0) < 0)
		outcome.error = errno;
	outcome.exit = guest->run->exit_reason;
	outcome_read(guest, &outcome);
	return outcome;
}

struct outcome guest_go(struct guest *guest, unsigned int cpl, const void *code, unsigned int size, struct kvm_regs regs)
{
	struct kvm_sregs sregs;
	uint16_t data = cpl == 3 ? SELECTOR_USER_DATA : SELECTOR_DATA;

	must(ioctl(guest->vcpu, KVM_GET_SREGS, &sregs) == 0, "KVM_GET_SREGS");
	sregs.cs = segment(cpl == 3 ? SELECTOR_USER_CODE : SELECTOR_CODE, true, guest->mode);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(data, false, guest->mode);
	sregs.tr = task_segment();
	sregs.gdt = (struct kvm_dtable){ .base = GUEST_GDT, .limit = 0x37 };
	sregs.idt = (struct kvm_dtable){ .base = GUEST_IDT, .limit = guest->mode == GUEST_64 ? 4095 : 2047 };
	must(ioctl(guest->vcpu, KVM_SET_SREGS, &sregs) == 0, "KVM_SET_SREGS");
	memcpy(guest->memory + GUEST_CODE, code, size);
	regs.rip = GUEST_CODE;
	regs.rflags |= 2;
	if (!regs.rsp)
		regs.rsp = cpl == 3 ? GUEST_USER_STACK : GUEST_STACK;
	must(ioctl(guest->vcpu, KVM_SET_REGS, &regs) == 0, "KVM_SET_REGS");
	return guest_continue(guest);
}
