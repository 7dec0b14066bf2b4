/*
 * The ioctl fuzzer's stage: the arena, descriptors and guests. It must never know which KVM answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scene.h"

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "ioctl_fuzz: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void region_map(uintptr_t at, size_t size, int protection, int fd)
{
	int flags = MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	must(mmap((void *)at, size, protection, flags, fd, 0) != MAP_FAILED, "mmap");
}

static void arena_open(struct scene *s)
{
	s->guest_file = memfd_create("ioctl_fuzz-guest", MFD_CLOEXEC);
	must(s->guest_file >= 0 && ftruncate(s->guest_file, GUEST_SIZE) == 0, "memfd");
	region_map(ARENA_BASE, THREADS_MAX * SCRATCH_SIZE, PROT_READ | PROT_WRITE, -1);
	region_map(ARENA_READ_ONLY, 0x1000, PROT_READ, -1);
	region_map(ARENA_NONE, ARENA_GUEST - ARENA_NONE, PROT_NONE, -1);
	region_map(ARENA_GUEST, GUEST_SIZE, PROT_READ | PROT_WRITE, -1);
	region_map(ARENA_GUEST_FILE, GUEST_SIZE, PROT_READ | PROT_WRITE, s->guest_file);
}

void scene_open(struct scene *s)
{
	int pipes[2];

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < SLOTS_MAX; i++)
		s->fds[i] = -1;
	arena_open(s);
	scene_add(s, open("/dev/kvm", O_RDWR | O_CLOEXEC), FD_SYSTEM);
	must(s->fds[0] >= 0, "/dev/kvm");
	s->run_size = (size_t)ioctl(s->fds[0], KVM_GET_VCPU_MMAP_SIZE, 0);
	must(s->run_size >= sizeof(struct kvm_run) && s->run_size <= 0x100000, "KVM_GET_VCPU_MMAP_SIZE");
	scene_add(s, open("/dev/null", O_RDWR | O_CLOEXEC), FD_OTHER);
	scene_add(s, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), FD_OTHER);
	scene_add(s, eventfd(0, EFD_CLOEXEC), FD_OTHER);
	must(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
	scene_add(s, pipes[0], FD_OTHER);
	scene_add(s, pipes[1], FD_OTHER);
}

void actor_init(struct actor *a, struct scene *s, uint64_t seed, uint32_t number)
{
	a->scene = s;
	a->scratch = (uint8_t *)(uintptr_t)(ARENA_BASE + number % THREADS_MAX * SCRATCH_SIZE);
	a->doing = "nothing";
	rng_seed(&a->rng, seed, number);
}

int scene_pick(struct actor *a, enum fd_kind kinds, int *slot)
{
	struct scene *s = a->scene;
	uint32_t start = rng_below(&a->rng, SLOTS_MAX);

	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		int at = (int)((start + i) % SLOTS_MAX), fd = s->fds[at];

		if (fd >= 0 && (s->kinds[at] & (int)kinds)) {
			if (slot)
				*slot = at;
			return fd;
		}
	}
	return -1;
}

void scene_add(struct scene *s, int fd, enum fd_kind kind)
{
	if (fd < 0)
		return;
	for (int i = 0; i < SLOTS_MAX; i++) {
		int none = -1;

		/* A slot is claimed with a number no descriptor has, and published once its kind and page are there. */
		if (!atomic_compare_exchange_strong(&s->fds[i], &none, -2))
			continue;
		s->kinds[i] = (int)kind;
		s->runs[i] = NULL;
		if (kind == FD_VCPU) {
			void *run = mmap(NULL, s->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

			if (run != MAP_FAILED)
				s->runs[i] = run;
		}
		s->fds[i] = fd;
		return;
	}
	close(fd);
}

/* Once only: the number may be somebody else's the next moment. */
void scene_close_one(struct actor *a)
{
	int slot, fd = scene_pick(a, FD_ANY, &slot);

	if (fd < 0 || (a->scene->kinds[slot] == FD_SYSTEM && !rng_percent(&a->rng, 5)))
		return;
	if (atomic_compare_exchange_strong(&a->scene->fds[slot], &fd, -1))
		close(fd);
}

/* Guest memory may be gone: only the kernel may touch it, who says EFAULT. */
static void guest_write(struct actor *a, uint32_t offset, const void *bytes, size_t n)
{
	static _Thread_local int file = -1;

	(void)a;
	if (file < 0)
		file = memfd_create("ioctl_fuzz-copy", MFD_CLOEXEC);
	if (file < 0 || pwrite(file, bytes, n, 0) != (ssize_t)n)
		return;
	if (pread(file, (void *)(uintptr_t)(ARENA_GUEST + offset), n, 0) < 0)
		return;
}

/* Little programs, each of which keeps a vCPU busy in its own way. */
static const struct { uint8_t size, bytes[15]; } programs[] = {
	{ 2, { 0xeb, 0xfe } },				/* jmp . */
	{ 4, { 0xe6, 0x80, 0xeb, 0xfc } },		/* out; jmp */
	{ 4, { 0xe4, 0x40, 0xeb, 0xfc } },		/* in; jmp */
	{ 3, { 0xf4, 0xeb, 0xfd } },			/* hlt; jmp */
	{ 4, { 0xfb, 0xf4, 0xeb, 0xfc } },		/* sti; hlt; jmp */
	{ 4, { 0xf3, 0xab, 0xeb, 0xfc } },		/* rep stos; jmp */
	{ 4, { 0xf3, 0x6e, 0xeb, 0xfc } },		/* rep outs; jmp */
	{ 4, { 0xf3, 0x6c, 0xeb, 0xfc } },		/* rep ins; jmp */
	{ 4, { 0xf3, 0xa4, 0xeb, 0xfc } },		/* rep movs; jmp */
	{ 3, { 0xcd, 0x20, 0xcc } },			/* int */
	{ 2, { 0x0f, 0x0b } },				/* ud2 */
	{ 5, { 0x50, 0xeb, 0xfd, 0x90, 0x90 } },	/* push; jmp: through all of the stack's memory */
	{ 6, { 0xff, 0x06, 0x00, 0x00, 0xeb, 0xfa } },	/* inc [mem]; jmp */
	{ 5, { 0x0f, 0xa2, 0x0f, 0x31, 0xf4 } },	/* cpuid; rdtsc; hlt */
	{ 4, { 0x0f, 0x32, 0x0f, 0x30 } },		/* rdmsr; wrmsr */
	{ 4, { 0x0f, 0x01, 0xd9, 0xf4 } },		/* vmmcall; hlt */
	{ 4, { 0x0f, 0x01, 0xc1, 0xf4 } },		/* vmcall; hlt */
	{ 6, { 0x0f, 0x22, 0xc0, 0x0f, 0x22, 0xe0 } },	/* mov cr0; mov cr4 */
	{ 6, { 0x0f, 0x22, 0xd8, 0x0f, 0x23, 0xf8 } },	/* mov cr3; mov dr7 */
	{ 6, { 0x0f, 0x01, 0x16, 0x0f, 0x01, 0x1e } },	/* lgdt; lidt */
	{ 6, { 0x88, 0x06, 0x8a, 0x04, 0xeb, 0xfa } },	/* stores and loads, MMIO where there is no slot */
	{ 5, { 0x0f, 0xc7, 0x0f, 0xeb, 0xfb } },	/* cmpxchg8b; jmp */
	{ 5, { 0xea, 0x00, 0x10, 0x08, 0x00 } },	/* jmp far */
	{ 3, { 0xcf, 0x9d, 0xcb } },			/* iret; popf; retf */
	{ 7, { 0x0f, 0xae, 0x2f, 0x0f, 0xae, 0x27, 0xf4 } }, /* xrstor; xsave */
};

static void program_fill(struct actor *a, uint8_t *page)
{
	uint32_t at = 0;

	if (rng_percent(&a->rng, 50))
		memset(page, (int)(rng_percent(&a->rng, 70) ? 0x90 : rng_next(&a->rng)), 0x1000);
	else
		fill_bytes(&a->rng, FILL_RANDOM, page, 0x1000);
	for (uint32_t n = 1 + rng_below(&a->rng, 6); n--; at = rng_below(&a->rng, 0x1000 - 16)) {
		uint32_t i = rng_below(&a->rng, sizeof(programs) / sizeof(programs[0]));

		memcpy(page + at, programs[i].bytes, programs[i].size);
	}
}

/* Entries that point all over guest memory, at themselves, and at nothing. */
static void table_fill(struct actor *a, uint8_t *page)
{
	for (uint32_t i = 0; i < 512; i++) {
		uint64_t entry = (uint64_t)rng_below(&a->rng, 0x240) << 12 | 7 | (rng_next(&a->rng) & 0x1e0);

		if (rng_percent(&a->rng, 20))
			entry |= 0x80;
		if (rng_percent(&a->rng, 5))
			entry = rng_next(&a->rng);
		memcpy(page + i * 8, &entry, 8);
	}
}

void guest_memory_fill(struct actor *a)
{
	uint8_t page[0x1000];

	for (uint32_t n = 1 + rng_below(&a->rng, 8); n--;) {
		/* The low pages are where guests begin, stack and keep their tables. */
		uint32_t offset = rng_below(&a->rng, rng_percent(&a->rng, 80) ? 16 : 2 * GUEST_SIZE >> 12) << 12;

		if (rng_percent(&a->rng, 60))
			program_fill(a, page);
		else if (rng_percent(&a->rng, 70))
			table_fill(a, page);
		else
			fill_bytes(&a->rng, FILL_INT, page, sizeof(page));
		guest_write(a, offset, page, sizeof(page));
	}
}

void guest_memory_break(struct actor *a)
{
	uint32_t pages = 1 + rng_below(&a->rng, 32), at = rng_below(&a->rng, (2 * GUEST_SIZE >> 12) - pages);
	void *where = (void *)(uintptr_t)(ARENA_GUEST + (at << 12));
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
	int protection = protections[rng_below(&a->rng, sizeof(protections) / sizeof(protections[0]))];
	size_t size = (size_t)pages << 12;

	switch (rng_below(&a->rng, 6)) {
	case 0:
		munmap(where, size);
		break;
	case 1:
		mprotect(where, size, protection);
		break;
	case 2:	/* the file's end: SIGBUS beyond */
		if (ftruncate(a->scene->guest_file, rng_percent(&a->rng, 50) ? GUEST_SIZE : (off_t)rng_below(&a->rng, GUEST_SIZE)) < 0)
			return;
		break;
	case 3:
		madvise(where, size, MADV_DONTNEED);
		break;
	default:
		mmap(where, size, protection, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		break;
	}
}

static void segment_flat(struct kvm_segment *s, uint16_t selector, uint8_t type, bool long_mode)
{
	*s = (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1,
				   .l = long_mode, .db = !long_mode };
}

static void sregs_protected(struct actor *a, struct kvm_sregs *s, bool long_mode)
{
	segment_flat(&s->cs, 8, 11, long_mode);
	segment_flat(&s->ds, 16, 3, false);
	s->es = s->ss = s->fs = s->gs = s->ds;
	s->gdt.base = rng_below(&a->rng, 16) << 12;
	s->idt.base = rng_below(&a->rng, 16) << 12;
	s->gdt.limit = s->idt.limit = 0xfff;
	s->cr0 |= 1;
	if (!long_mode && rng_percent(&a->rng, 60))
		return;
	s->cr0 |= 1ull << 31;
	s->cr3 = (uint64_t)rng_below(&a->rng, 16) << 12;
	s->cr4 |= long_mode || rng_percent(&a->rng, 50) ? 1 << 5 : 0;
	if (long_mode)
		s->efer |= 0x500;
}

static void bits_flip(struct actor *a, void *where, size_t size)
{
	uint8_t *bytes = where;

	for (uint32_t n = 1 + rng_below(&a->rng, 4); n--;)
		bytes[rng_below(&a->rng, (uint32_t)size)] ^= (uint8_t)(1 << rng_below(&a->rng, 8));
}

void guest_registers_set(struct actor *a, int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint64_t *words = (uint64_t *)&regs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return;
	if (rng_percent(&a->rng, 40)) {
		sregs.cs.base = (uint64_t)rng_below(&a->rng, 16) << 12;
		sregs.cs.selector = (uint16_t)(sregs.cs.base >> 4);
	} else {
		sregs_protected(a, &sregs, rng_percent(&a->rng, 50));
	}
	if (rng_percent(&a->rng, 30))
		bits_flip(a, &sregs, sizeof(sregs));
	ioctl(vcpu, KVM_SET_SREGS, &sregs);
	for (size_t i = 0; i < sizeof(regs) / 8; i++)
		words[i] = rng_percent(&a->rng, 50) ? rng_below(&a->rng, 0x20000) : value_integer(&a->rng);
	regs.rip = rng_below(&a->rng, 0x10) << 12;
	regs.rflags = 2 | (rng_percent(&a->rng, 30) ? rng_next(&a->rng) & 0x3f7fd5 : 0);
	ioctl(vcpu, KVM_SET_REGS, &regs);
}

void run_page_scribble(struct actor *a)
{
	struct kvm_run *run;
	volatile uint8_t *bytes;
	int slot;

	if (scene_pick(a, FD_VCPU, &slot) < 0)
		return;
	run = a->scene->runs[slot];
	if (!run)
		return;
	bytes = (volatile uint8_t *)run;
	switch (rng_below(&a->rng, 4)) {
	case 0:
		run->kvm_valid_regs = rng_percent(&a->rng, 80) ? rng_below(&a->rng, 8) : rng_next(&a->rng);
		run->kvm_dirty_regs = rng_percent(&a->rng, 80) ? rng_below(&a->rng, 8) : rng_next(&a->rng);
		break;
	case 1:
		run->immediate_exit = (uint8_t)rng_below(&a->rng, 2);
		break;
	case 2:
		for (uint32_t n = rng_below(&a->rng, 64); n--;)
			bytes[rng_below(&a->rng, (uint32_t)a->scene->run_size)] = (uint8_t)rng_next(&a->rng);
		break;
	default:
		run->request_interrupt_window = (uint8_t)rng_below(&a->rng, 2);
		run->cr8 = rng_below(&a->rng, 20);
		break;
	}
}
