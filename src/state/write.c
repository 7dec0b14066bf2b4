/*
 * Writing state files.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/why.h"
#include "state/file.h"
#include "state/pages.h"
#include "state/stream.h"
#include "state/state.h"

/* ---- Notes, in memory. ---- */

struct buffer {
	uint8_t *bytes;
	size_t size, room;
	bool full; /* there was no memory */
};

/* Room for `size` more bytes, zeroed; NULL: no memory. */
static void *buffer_take(struct buffer *buffer, size_t size)
{
	if (size > buffer->room - buffer->size) {
		size_t room = 2 * buffer->room + size + 4096;
		uint8_t *grown = buffer->full ? NULL : realloc(buffer->bytes, room);

		if (!grown) {
			buffer->full = true;
			return NULL;
		}
		buffer->bytes = grown;
		buffer->room = room;
	}
	memset(buffer->bytes + buffer->size, 0, size);
	buffer->size += size;
	return buffer->bytes + buffer->size - size;
}

/* A note's room (ELF gABI: name and content each padded to 4 bytes). */
static void *note_take(struct buffer *notes, const char *owner, uint32_t type, size_t size)
{
	size_t name = strlen(owner) + 1, padded = (name + 3) & ~(size_t)3;
	Elf64_Nhdr header = { .n_namesz = (uint32_t)name, .n_descsz = (uint32_t)size, .n_type = type };
	uint8_t *note = buffer_take(notes, sizeof header + padded + ((size + 3) & ~(size_t)3));

	if (!note)
		return NULL;
	memcpy(note, &header, sizeof header);
	memcpy(note + sizeof header, owner, name);
	return note + sizeof header + padded;
}

static void note_add(struct buffer *notes, const char *owner, uint32_t type, const void *content, size_t size)
{
	void *note = note_take(notes, owner, type, size);

	if (note)
		memcpy(note, content, size);
}

static void regs_note(struct buffer *notes, uint32_t vcpu, const struct state_unit *unit)
{
	struct note_regs header = { vcpu, (uint32_t)unit->reg_count };
	size_t size = sizeof header;
	uint8_t *note;

	for (size_t i = 0; i < unit->reg_count; i++)
		size += 8 + state_value_room(unit->regs[i].id);
	note = note_take(notes, NOTE_OWNER, NOTE_REGS, size);
	if (!note)
		return;
	memcpy(note, &header, sizeof header);
	note += sizeof header;
	for (size_t i = 0; i < unit->reg_count; i++) {
		uint64_t id = unit->regs[i].id;

		memcpy(note, &id, 8);
		memcpy(note + 8, unit->regs[i].value, anykvm_reg_size(id));
		note += 8 + state_value_room(id);
	}
}

static void parts_notes(struct buffer *notes, int32_t vcpu, const struct state_unit *unit)
{
	for (size_t i = 0; i < unit->part_count; i++) {
		struct note_part header = { .vcpu = vcpu, .size = (uint32_t)unit->parts[i].size };
		uint8_t *note = note_take(notes, NOTE_OWNER, NOTE_PART, sizeof header + header.size);

		if (!note)
			return;
		memcpy(header.name, unit->parts[i].name, sizeof header.name);
		memcpy(note, &header, sizeof header);
		memcpy(note + sizeof header, unit->parts[i].bytes, header.size);
	}
}

/* What other tools read; each vCPU is a thread to them. */
static void core_notes(struct buffer *notes, const struct state_arch *arch, const struct state_unit *unit, size_t vcpu)
{
	uint8_t note[4096] __attribute__((aligned(16)));
	size_t size;

	size = arch && arch->elf_prstatus ? arch->elf_prstatus(unit, vcpu, note, sizeof note) : 0;
	if (size)
		note_add(notes, "CORE", NT_PRSTATUS, note, size);
	size = arch && arch->elf_fpregs ? arch->elf_fpregs(unit, note, sizeof note) : 0;
	if (size)
		note_add(notes, "CORE", NT_PRFPREG, note, size);
}

static size_t page_up(size_t size)
{
	return (size + FILE_PAGE - 1) & ~(size_t)(FILE_PAGE - 1);
}

static void notes_make(struct buffer *notes, const struct anykvm_state *state)
{
	const struct state_arch *arch = state_arch_find(state->arch);
	struct note_state header = { .version = FILE_VERSION, .vcpus = (uint32_t)state->vcpu_count, .arch = state->arch, .memory = (uint32_t)state->memory_count };

	for (size_t i = 0; i < state->vcpu_count; i++)
		core_notes(notes, arch, &state->vcpus[i], i);
	memcpy(header.origin, state->origin, sizeof header.origin);
	note_add(notes, NOTE_OWNER, NOTE_STATE, &header, sizeof header);
	for (size_t i = 0; i < state->vcpu_count; i++) {
		regs_note(notes, (uint32_t)i, &state->vcpus[i]);
		parts_notes(notes, (int32_t)i, &state->vcpus[i]);
	}
	parts_notes(notes, -1, &state->vm);
}

/* Where the memory will be follows from how long the notes become: their size with these is known beforehand. */
static uint64_t memory_notes(struct buffer *notes, const struct anykvm_state *state, size_t headers)
{
	size_t one = sizeof(Elf64_Nhdr) + 8;
	uint64_t offset = page_up(headers + notes->size + state->memory_count * (one + sizeof(struct note_memory)) + one + sizeof(struct note_sum));
	uint64_t first = offset;
	struct note_sum sum;

	for (size_t i = 0; i < state->memory_count; i++) {
		const struct anykvm_state_memory *memory = &state->memory[i];
		struct note_memory note = { memory->address, memory->size, offset, memory->slot, memory->flags };

		note_add(notes, NOTE_OWNER, NOTE_MEMORY, &note, sizeof note);
		offset += memory->size;
	}
	sum.sum = XXH3_64bits(notes->bytes, notes->size);
	note_add(notes, NOTE_OWNER, NOTE_SUM, &sum, sizeof sum);
	return first;
}

/* ---- The file. ---- */

static bool page_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, FILE_PAGE - 1);
}

/* How many bytes from `at` on are all zero pages, or all others. */
static size_t run_length(const uint8_t *bytes, size_t at, size_t size, bool zero)
{
	const size_t most = 1 << 20; /* small enough to be in the cache when it is summed and copied */
	size_t end = at;

	while (end < size && page_zero(bytes + end) == zero && (zero || end - at < most))
		end += FILE_PAGE;
	return end - at;
}

static int memory_write(struct out *out, const struct anykvm_state_memory *memory, uint64_t *sum)
{
	const uint8_t *bytes = memory->host;
	XXH3_state_t *hash = XXH3_createState();
	int error = hash ? 0 : -ENOMEM;

	if (hash)
		XXH3_64bits_reset(hash);
	for (size_t at = 0, length; at < memory->size && !error; at += length) {
		bool zero = page_zero(bytes + at);

		length = run_length(bytes, at, memory->size, zero);
		if (zero) {
			error = out_zeroes(out, length);
		} else {
			XXH3_64bits_update(hash, bytes + at, length);
			error = out_write(out, bytes + at, length);
		}
		out_progress(out, length);
	}
	if (hash)
		*sum = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return error;
}

/* By virtual address first: debuggers take the first segment that has an address. */
static int segments_write(struct out *out, const struct anykvm_state *state, const struct pages *pages, uint64_t memory_at)
{
	int error = 0;

	for (size_t i = 0; i < pages->count && !error; i++) {
		const struct page_range *range = &pages->ranges[i];
		uint64_t at = memory_at + (range->physical - state->memory[range->piece].address);
		Elf64_Phdr segment = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_vaddr = range->virtual, .p_paddr = range->physical,
				       .p_filesz = range->size, .p_memsz = range->size, .p_align = FILE_PAGE };

		for (size_t k = 0; k < range->piece; k++)
			at += state->memory[k].size;
		segment.p_offset = at;
		error = out_write(out, &segment, sizeof segment);
	}
	for (size_t i = 0; i < state->memory_count && !error; i++) {
		const struct anykvm_state_memory *memory = &state->memory[i];
		Elf64_Phdr segment = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_offset = memory_at, .p_vaddr = memory->address, .p_paddr = memory->address,
				       .p_filesz = memory->size, .p_memsz = memory->size, .p_align = FILE_PAGE };

		error = out_write(out, &segment, sizeof segment);
		memory_at += memory->size;
	}
	return error;
}

static int headers_write(struct out *out, const struct anykvm_state *state, const struct pages *pages, const struct buffer *notes, uint64_t memory_at)
{
	const struct state_arch *arch = state_arch_find(state->arch);
	const uint16_t one = 1;
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, *(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = arch ? arch->elf_machine : EM_NONE, .e_version = EV_CURRENT, .e_phoff = sizeof header,
		.e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (uint16_t)(1 + pages->count + state->memory_count),
	};
	size_t headers = sizeof header + header.e_phnum * sizeof(Elf64_Phdr);
	Elf64_Phdr segment = { .p_type = PT_NOTE, .p_offset = headers, .p_filesz = notes->size, .p_align = 4 };
	int error = out_write(out, &header, sizeof header);

	if (!error)
		error = out_write(out, &segment, sizeof segment);
	if (!error)
		error = segments_write(out, state, pages, memory_at);
	if (!error)
		error = out_write(out, notes->bytes, notes->size);
	return error ? error : out_zeroes(out, page_up(headers + notes->size) - headers - notes->size);
}

static int all_write(struct out *out, const struct anykvm_state *state, const struct pages *pages, const struct buffer *notes, uint64_t memory_at)
{
	uint64_t *sums = calloc(state->memory_count + 1, sizeof *sums);
	int error = sums ? headers_write(out, state, pages, notes, memory_at) : -ENOMEM;

	for (size_t i = 0; i < state->memory_count; i++)
		out->total += state->memory[i].size;
	for (size_t i = 0; i < state->memory_count && !error; i++)
		error = memory_write(out, &state->memory[i], &sums[i]);
	if (!error) {
		sums[state->memory_count] = FILE_END;
		error = out_write(out, sums, (state->memory_count + 1) * sizeof *sums);
	}
	free(sums);
	return error;
}

/* The first vCPU's view: a debugger has one for all. */
static void pages_find(struct pages *pages)
{
	const struct state_arch *arch = state_arch_find(pages->state->arch);

	if (arch && arch->pages_find && pages->ranges && pages->state->vcpu_count && pages->state->memory_count)
		arch->pages_find(&pages->state->vcpus[0], pages);
}

PUBLIC int anykvm_state_write(const struct anykvm_state *state, int fd, const struct anykvm_state_io *io)
{
	struct out out;
	struct pages pages = { .state = state, .ranges = calloc(PAGES_MOST, sizeof *pages.ranges) };
	struct buffer notes = { 0 };
	uint64_t memory_at;
	int error;

	api_begin(0);
	error = out_open(&out, fd, io);
	pages_find(&pages);
	notes_make(&notes, state);
	memory_at = memory_notes(&notes, state, sizeof(Elf64_Ehdr) + (1 + pages.count + state->memory_count) * sizeof(Elf64_Phdr));
	if (!error)
		error = notes.full || !pages.ranges ? -ENOMEM : all_write(&out, state, &pages, &notes, memory_at);
	if (!error)
		error = out_finish(&out);
	out_close(&out);
	free(pages.ranges);
	free(notes.bytes);
	if (error && !why_get())
		why(error, "writing: %s", strerror(-error));
	return error ? api_end(error) : 0;
}

/* ---- By name. ---- */

/* The folder's entry has to reach the disk, too. */
static void folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

PUBLIC int anykvm_state_save(const struct anykvm_state *state, const char *path, const struct anykvm_state_io *io)
{
	char *other;
	mode_t mask;
	int fd, result, error;

	if (asprintf(&other, "%s.XXXXXX", path) < 0)
		return -1;
	fd = mkostemp(other, O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		free(other);
		return state_fail(error, "%s: %s", path, strerror(-error));
	}
	mask = umask(0);
	umask(mask);
	result = anykvm_state_write(state, fd, io);
	if (!result && (fchmod(fd, 0666 & ~mask) || fsync(fd) || rename(other, path))) {
		error = -errno;
		result = state_fail(error, "%s: %s", path, strerror(-error));
	}
	error = errno;
	if (result)
		unlink(other);
	close(fd);
	if (!result)
		folder_sync(path);
	free(other);
	errno = error;
	return result;
}
