/*
 * State files, damaged: state_fuzz [--seed N] [--seconds N]. A good file is changed at random, most often with its sums put right again so
 * that what is behind them is reached; it must be read as a state, or refused with a reason. Never a crash, nor memory without bounds.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "anykvm/kvm.h"
#include "anykvm/state.h"
#include "state/file.h"

enum { MOST = 1 << 16, NOTES_AT = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) };

static uint64_t seed;

static uint64_t random64(void)
{
	seed += 0x9e3779b97f4a7c15ULL;
	uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ULL;

	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static size_t below(size_t bound)
{
	return bound ? (size_t)(random64() % bound) : 0;
}

/* ---- A good file. ---- */

static size_t good_file(uint8_t *bytes, uint8_t *memory)
{
	struct { struct kvm_cpuid2 header; struct kvm_cpuid_entry2 entries[256]; } cpuid = { .header.nent = 256 };
	struct anykvm_state_memory piece = { .address = 0x1000, .size = 0x2000, .host = memory };
	int kvm = anykvm_open(0), vm = anykvm_ioctl(kvm, KVM_CREATE_VM, NULL), vcpus[2], fd = memfd_create("good", 0);
	struct anykvm_state *state;
	ssize_t size;

	anykvm_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
	anykvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL);
	for (size_t i = 0; i < 2; i++) {
		vcpus[i] = anykvm_ioctl(vm, KVM_CREATE_VCPU, (void *)i);
		anykvm_ioctl(vcpus[i], KVM_SET_CPUID2, &cpuid);
	}
	state = anykvm_state_capture(vm, vcpus, 2);
	if (!state || anykvm_state_memory_add(state, &piece) || anykvm_state_write(state, fd, NULL))
		exit(2);
	size = pread(fd, bytes, MOST, 0);
	anykvm_state_free(state);
	close(fd);
	for (size_t i = 0; i < 2; i++)
		anykvm_close(vcpus[i]);
	anykvm_close(vm);
	anykvm_close(kvm);
	return size > 0 ? (size_t)size : 0;
}

/* ---- Damage. ---- */

static uint64_t interesting(void)
{
	static const uint64_t values[] = { 0, 1, 4, 0xff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ULL << 46, 1ULL << 63, ~0ULL, ~0ULL - 0xfff };

	return random64() & 1 ? values[below(sizeof values / sizeof *values)] : random64() >> below(64);
}

/* Mostly where structures are: the headers and the heads of notes. */
static size_t place(size_t size)
{
	switch (below(4)) {
	case 0: return below(NOTES_AT < size ? NOTES_AT : size);
	case 1: return below(size);
	default: return NOTES_AT + below(size > NOTES_AT + 0x2000 ? size - NOTES_AT - 0x2000 : 1);
	}
}

static size_t damage(uint8_t *bytes, size_t size)
{
	for (size_t times = 1 + below(4); times; times--) {
		size_t at = place(size) & (below(2) ? ~(size_t)3 : ~(size_t)0), width = (size_t)1 << below(4), length;
		uint64_t value = interesting();

		switch (below(5)) {
		case 0:
			size = below(size) + 1;
			break;
		case 1: /* a piece goes */
			length = below(256) & ~(size_t)3;
			if (at + length < size) {
				memmove(bytes + at, bytes + at + length, size - at - length);
				size -= length;
			}
			break;
		case 2: /* a piece twice */
			length = below(256) & ~(size_t)3;
			if (at + length < size && size + length < MOST) {
				memmove(bytes + at + length, bytes + at, size - at);
				size += length;
			}
			break;
		default:
			if (at + width <= size)
				memcpy(bytes + at, &value, width);
		}
	}
	return size;
}

/* The sum of the notes, where there still is one. */
static void sum_mend(uint8_t *bytes, size_t size)
{
	Elf64_Phdr segment;

	if (size < NOTES_AT)
		return;
	memcpy(&segment, bytes + sizeof(Elf64_Ehdr), sizeof segment);
	if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
		return;
	for (size_t at = segment.p_offset, end = segment.p_offset + segment.p_filesz; at + sizeof(Elf64_Nhdr) <= end;) {
		Elf64_Nhdr note;
		size_t name, content;

		memcpy(&note, bytes + at, sizeof note);
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		content = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > end - at - sizeof note || content > end - at - sizeof note - name)
			return;
		if (note.n_type == NOTE_SUM && note.n_descsz == 8 && name == 8) {
			uint64_t sum = XXH3_64bits(bytes + segment.p_offset, at - segment.p_offset);

			memcpy(bytes + at + sizeof note + name, &sum, sizeof sum);
			return;
		}
		at += sizeof note + name + content;
	}
}

/* ---- Reading. ---- */

static struct anykvm_state *read_back(const uint8_t *bytes, size_t size, bool as_pipe)
{
	struct anykvm_state *state;
	int fds[2];

	if (as_pipe) {
		if (pipe(fds))
			exit(2);
		fcntl(fds[1], F_SETPIPE_SZ, MOST);
	} else {
		fds[0] = fds[1] = memfd_create("bad", 0);
	}
	if (write(fds[1], bytes, size) != (ssize_t)size)
		exit(2);
	if (as_pipe)
		close(fds[1]);
	else
		lseek(fds[0], 0, SEEK_SET);
	state = anykvm_state_read(fds[0], NULL);
	close(fds[0]);
	return state;
}

/* Whatever it is, it is a state: all that reads states must bear it. */
static void use(const struct anykvm_state *state, const struct anykvm_profile *profile, int kvm)
{
	struct anykvm_report *report = anykvm_report_new();
	int fd = memfd_create("again", 0);

	anykvm_state_check_profile(state, profile, NULL, report);
	if (below(16) == 0)
		anykvm_state_check(state, kvm, NULL, report);
	anykvm_state_diff(state, state, NULL, NULL);
	for (size_t vcpu = 0, count; vcpu < anykvm_state_vcpus(state); vcpu++) {
		const struct anykvm_state_reg *regs = anykvm_state_regs(state, vcpu, &count);
		char text[1024];

		for (size_t i = 0; i < count; i++)
			anykvm_reg_explain(regs[i].id, regs[i].value, text, sizeof text);
	}
	anykvm_state_write(state, fd, NULL);
	close(fd);
	anykvm_report_free(report);
}

int main(int argc, char **argv)
{
	static uint8_t good[MOST], bad[MOST], memory[0x2000] __attribute__((aligned(4096)));
	unsigned long seconds = 10, cases = 0, read = 0;
	struct timespec begin, now;
	struct anykvm_profile *profile;
	size_t size;
	int kvm;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seconds"))
			seconds = strtoul(argv[i + 1], NULL, 0);
	}
#ifndef __SANITIZE_ADDRESS__
	setrlimit(RLIMIT_AS, &(struct rlimit){ 1ULL << 32, 1ULL << 32 });
#endif
	memory[0x1234] = 1;
	size = good_file(good, memory);
	kvm = anykvm_open(0);
	profile = anykvm_profile_take(kvm);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		uint64_t this_seed = seed;
		size_t length;
		struct anykvm_state *state;

		memcpy(bad, good, size);
		length = damage(bad, size);
		if (below(4))
			sum_mend(bad, length);
		state = read_back(bad, length, below(8) == 0);
		if (state) {
			use(state, profile, kvm);
			anykvm_state_free(state);
			read++;
		} else if (errno != ENOMEM && !*anykvm_refusal()->reason) {
			printf("--seed 0x%llx: refused without a reason\n", (unsigned long long)this_seed);
			return 1;
		}
		cases++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((unsigned long)(now.tv_sec - begin.tv_sec) < seconds);
	anykvm_profile_free(profile);
	anykvm_close(kvm);
	printf("%lu files, %lu of them states\n1 passed, 0 failed, 0 skipped\n", cases, read);
	return 0;
}
