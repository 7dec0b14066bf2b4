/*
 * Reading state files. A file is an enemy: every number in it is checked before it is used, nothing is allocated that the file does not
 * have the bytes for, and what is wrong is told with its place.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "state/file.h"
#include "state/pages.h"
#include "state/stream.h"
#include "state/state.h"

/* ---- Headers. ---- */

static int header_read(struct in *in, Elf64_Ehdr *header)
{
	const uint16_t one = 1;
	int error = in_read(in, header, sizeof *header);

	if (error)
		return error;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG))
		return why(-EINVAL, "this is no state file: it does not begin as ELF files do");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != (*(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB))
		return why(-EINVAL, "this ELF file is for machines of 32 bits or of another byte order");
	if (header->e_type != ET_CORE || header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum || header->e_phnum > 1 + PAGES_MOST + STATE_MEMORY_MAX ||
	    header->e_phoff != sizeof *header)
		return why(-EINVAL, "this is no state file, but another kind of ELF file");
	return 0;
}

/* The notes; they come first. Room grows as bytes come. */
static int notes_read(struct in *in, const Elf64_Phdr *segment, uint8_t **notes)
{
	const size_t step = 1 << 20;
	size_t size = 0;
	int error;

	if (segment->p_type != PT_NOTE || segment->p_filesz > FILE_NOTES_MAX || segment->p_offset > 1 << 28)
		return why(-EINVAL, "this is no state file: its first segment has no notes, or too many (%llu bytes)", (unsigned long long)segment->p_filesz);
	error = in_skip(in, segment->p_offset);
	while (!error && size < segment->p_filesz) {
		size_t more = segment->p_filesz - size < step ? segment->p_filesz - size : step;
		uint8_t *grown = realloc(*notes, size + more);

		if (!grown)
			return -ENOMEM;
		*notes = grown;
		error = in_read(in, grown + size, more);
		size += more;
	}
	return error;
}

/* ---- Notes. ---- */

struct reader {
	struct anykvm_state *state;
	uint64_t notes_at;   /* in the file */
	uint64_t *offsets;   /* of each piece of memory in the file */
	uint32_t memory;     /* pieces to come */
	bool summed;
};

static int state_note(struct reader *reader, const uint8_t *bytes, size_t size, uint64_t at)
{
	struct note_state note;

	if (size < sizeof note.version)
		return why(-EINVAL, "at byte %llu: a note is too short", (unsigned long long)at);
	memcpy(&note.version, bytes, sizeof note.version);
	if (note.version != FILE_VERSION)
		return why(-EINVAL, "at byte %llu: the file's version is %u, this program reads %u", (unsigned long long)at, note.version, FILE_VERSION);
	if (size != sizeof note || reader->state)
		return why(-EINVAL, "at byte %llu: a note is there twice, or has the wrong size", (unsigned long long)at);
	memcpy(&note, bytes, sizeof note);
	if (note.vcpus > STATE_VCPUS_MAX || note.memory > STATE_MEMORY_MAX)
		return why(-EINVAL, "at byte %llu: %u vCPUs and %u pieces of memory are too many", (unsigned long long)at, note.vcpus, note.memory);
	if (!anykvm_arch_name(note.arch) || note.arch & ~KVM_REG_ARCH_MASK)
		return why(-EINVAL, "at byte %llu: there is no architecture 0x%llx", (unsigned long long)at, (unsigned long long)note.arch);
	reader->state = state_new(note.arch, note.vcpus);
	reader->offsets = calloc(note.memory + 1, sizeof *reader->offsets);
	if (!reader->state || !reader->offsets)
		return -ENOMEM;
	reader->state->memory = calloc(note.memory + 1, sizeof *reader->state->memory);
	reader->state->memory_owned = true;
	reader->memory = note.memory;
	note.origin[sizeof note.origin - 1] = 0;
	memcpy(reader->state->origin, note.origin, sizeof note.origin);
	return reader->state->memory ? 0 : -ENOMEM;
}

/* Checks the registers of a note, and takes their ids when `ids` is there. */
static int regs_walk(const struct reader *reader, const uint8_t *bytes, size_t size, uint32_t count, uint64_t at, uint64_t *ids)
{
	size_t here = sizeof(struct note_regs);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t id;
		size_t value;

		if (size - here < sizeof id)
			return why(-EINVAL, "at byte %llu: register %u of %u is not there", (unsigned long long)(at + here), i, count);
		memcpy(&id, bytes + here, sizeof id);
		value = state_value_room(id);
		if (!value || (id & KVM_REG_ARCH_MASK) != reader->state->arch)
			return why(-EINVAL, "at byte %llu: 0x%llx is no register of this architecture", (unsigned long long)(at + here), (unsigned long long)id);
		if (size - here - sizeof id < value)
			return why(-EINVAL, "at byte %llu: the value of register %u of %u is not there", (unsigned long long)(at + here), i, count);
		ids[i] = id;
		here += sizeof id + value;
	}
	return here == size ? 0 : why(-EINVAL, "at byte %llu: %zu bytes too many behind the registers", (unsigned long long)(at + here), size - here);
}

static int regs_note(struct reader *reader, const uint8_t *bytes, size_t size, uint64_t at)
{
	struct note_regs note;
	struct state_unit *unit;
	uint64_t *ids;
	int error;

	if (size < sizeof note)
		return why(-EINVAL, "at byte %llu: a note is too short", (unsigned long long)at);
	memcpy(&note, bytes, sizeof note);
	if (note.vcpu >= reader->state->vcpu_count || note.count > STATE_REGS_MAX || reader->state->vcpus[note.vcpu].regs)
		return why(-EINVAL, "at byte %llu: %u registers of vCPU %u: too many, twice, or no such vCPU", (unsigned long long)at, note.count, note.vcpu);
	unit = &reader->state->vcpus[note.vcpu];
	ids = calloc(note.count + 1, sizeof *ids);
	error = ids ? regs_walk(reader, bytes, size, note.count, at, ids) : -ENOMEM;
	if (!error)
		error = state_unit_regs(unit, ids, note.count);
	bytes += sizeof note;
	for (uint32_t i = 0; i < note.count && !error; i++) {
		memcpy(unit->regs[i].value, bytes + 8, anykvm_reg_size(ids[i]));
		bytes += 8 + state_value_room(ids[i]);
	}
	free(ids);
	return error;
}

static int part_note(struct reader *reader, const uint8_t *bytes, size_t size, uint64_t at)
{
	struct anykvm_state_part *part;
	struct note_part note;
	struct state_unit *unit;

	if (size < sizeof note)
		return why(-EINVAL, "at byte %llu: a note is too short", (unsigned long long)at);
	memcpy(&note, bytes, sizeof note);
	if (note.vcpu < -1 || (note.vcpu >= 0 && (uint32_t)note.vcpu >= reader->state->vcpu_count) || note.size != size - sizeof note ||
	    note.size > STATE_PART_SIZE_MAX || !memchr(note.name, 0, sizeof note.name))
		return why(-EINVAL, "at byte %llu: a part of vCPU %d with %u bytes: too large, or no such vCPU", (unsigned long long)at, note.vcpu, note.size);
	unit = note.vcpu < 0 ? &reader->state->vm : &reader->state->vcpus[note.vcpu];
	if (state_unit_find_part(unit, note.name) || unit->part_count == STATE_PARTS_MAX)
		return why(-EINVAL, "at byte %llu: part %s is there twice, or there are too many", (unsigned long long)at, note.name);
	part = state_unit_part(unit, note.name, note.size);
	if (!part)
		return -ENOMEM;
	memcpy(part->bytes, bytes + sizeof note, note.size);
	return 0;
}

static int memory_note(struct reader *reader, const uint8_t *bytes, size_t size, uint64_t at)
{
	struct anykvm_state *state = reader->state;
	struct note_memory note;

	if (size != sizeof note || !reader->memory)
		return why(-EINVAL, "at byte %llu: a piece of memory too many, or a note of the wrong size", (unsigned long long)at);
	memcpy(&note, bytes, sizeof note);
	if (!note.size || (note.address | note.size) & (FILE_PAGE - 1) || note.address + note.size - 1 < note.address || note.size > 1ULL << 46 || note.offset > 1ULL << 60)
		return why(-EINVAL, "at byte %llu: %llu bytes of memory at 0x%llx: not whole pages, or too many", (unsigned long long)at, (unsigned long long)note.size,
			   (unsigned long long)note.address);
	reader->offsets[state->memory_count] = note.offset;
	/* Mapped when it is read: a size of 0 is not unmapped. */
	state->memory[state->memory_count++] = (struct anykvm_state_memory){ .address = note.address, .size = note.size, .host = MAP_FAILED, .slot = note.slot, .flags = note.flags };
	reader->memory--;
	return 0;
}

static int note_take(struct reader *reader, uint32_t type, const uint8_t *bytes, size_t size, uint64_t at)
{
	if (type != NOTE_STATE && !reader->state)
		return why(-EINVAL, "at byte %llu: the note that begins a state is missing", (unsigned long long)at);
	switch (type) {
	case NOTE_STATE: return state_note(reader, bytes, size, at);
	case NOTE_REGS: return regs_note(reader, bytes, size, at);
	case NOTE_PART: return part_note(reader, bytes, size, at);
	case NOTE_MEMORY: return memory_note(reader, bytes, size, at);
	default: return why(-EINVAL, "at byte %llu: there are no notes of type %u in version %u", (unsigned long long)at, type, FILE_VERSION);
	}
}

static int sum_check(struct reader *reader, const uint8_t *notes, size_t before, const uint8_t *bytes, size_t size)
{
	struct note_sum note;

	if (size != sizeof note)
		return why(-EINVAL, "the sum of the notes has the wrong size");
	memcpy(&note, bytes, sizeof note);
	if (note.sum != XXH3_64bits(notes, before))
		return why(-EINVAL, "the notes have changed: their sum is 0x%016llx, the file says 0x%016llx", (unsigned long long)XXH3_64bits(notes, before), (unsigned long long)note.sum);
	reader->summed = true;
	return 0;
}

/* Where the sum stands, and whether it is right, comes before what the notes say. */
static int notes_walk(struct reader *reader, const uint8_t *notes, size_t size, bool sum)
{
	int error = 0;

	for (size_t at = 0; at < size && !error && !(sum && reader->summed);) {
		Elf64_Nhdr header;
		size_t name, content, start = at;

		if (size - at < sizeof header)
			return why(-EINVAL, "at byte %llu: half a note", (unsigned long long)(reader->notes_at + at));
		memcpy(&header, notes + at, sizeof header);
		at += sizeof header;
		name = ((size_t)header.n_namesz + 3) & ~(size_t)3;
		content = ((size_t)header.n_descsz + 3) & ~(size_t)3;
		if (name > size - at || content > size - at - name)
			return why(-EINVAL, "at byte %llu: a note of %zu bytes does not fit", (unsigned long long)(reader->notes_at + start), name + content);
		if (header.n_namesz == sizeof NOTE_OWNER && !memcmp(notes + at, NOTE_OWNER, sizeof NOTE_OWNER)) {
			if (sum && header.n_type == NOTE_SUM)
				error = sum_check(reader, notes, start, notes + at + name, header.n_descsz);
			else if (!sum && header.n_type == NOTE_SUM)
				return 0;
			else if (!sum)
				error = note_take(reader, header.n_type, notes + at + name, header.n_descsz, reader->notes_at + start);
		}
		at += name + content;
	}
	if (!error && sum && !reader->summed)
		return why(-EINVAL, "this is no state file of anykvm's: its notes have no sum");
	return error;
}

/* ---- Memory. ---- */

static bool page_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, FILE_PAGE - 1);
}

/* One piece. Pages of zeroes are not touched: memory that nobody has written takes no room. */
static int memory_read(struct in *in, struct anykvm_state_memory *memory, uint64_t offset, uint64_t *sum)
{
	enum { STEP = 256 * FILE_PAGE };
	static const size_t step = STEP;
	uint8_t *bytes = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *buffer = malloc(STEP);
	XXH3_state_t *hash = XXH3_createState();
	int error = bytes == MAP_FAILED || !buffer || !hash ? why(-ENOMEM, "%llu bytes of memory: %s", (unsigned long long)memory->size, strerror(ENOMEM)) : in_skip(in, offset);

	memory->host = bytes;
	if (hash)
		XXH3_64bits_reset(hash);
	for (uint64_t at = 0; at < memory->size && !error;) {
		size_t some = memory->size - at < step ? (size_t)(memory->size - at) : step;

		if (in->seeks) {
			off_t data = lseek(in->fd, (off_t)(offset + at), SEEK_DATA);
			uint64_t next = data < 0 ? offset + memory->size : ((uint64_t)data & ~(uint64_t)(FILE_PAGE - 1));

			if (next > offset + at) {
				next = next - offset < memory->size ? next - offset : memory->size;
				in_progress(in, next - at);
				at = next;
				in->at = offset + at;
				continue;
			}
			lseek(in->fd, (off_t)(offset + at), SEEK_SET);
		}
		error = in_read(in, buffer, some);
		for (size_t page = 0; page < some && !error; page += FILE_PAGE) {
			if (page_zero(buffer + page))
				continue;
			memcpy(bytes + at + page, buffer + page, FILE_PAGE);
			XXH3_64bits_update(hash, buffer + page, FILE_PAGE);
		}
		in_progress(in, some);
		at += some;
	}
	if (in->seeks && !error)
		lseek(in->fd, (off_t)in->at, SEEK_SET);
	*sum = hash ? XXH3_64bits_digest(hash) : 0;
	XXH3_freeState(hash);
	free(buffer);
	return error;
}

static int memories_read(struct in *in, struct reader *reader)
{
	struct anykvm_state *state = reader->state;
	uint64_t *sums = calloc(2 * (state->memory_count + 1), sizeof *sums), *said = sums + state->memory_count + 1;
	struct stat stat;
	int error = sums ? 0 : -ENOMEM;

	/* A file that is too short is not waited for, nor are holes behind its end data. */
	if (!error && in->seeks && state->memory_count && !fstat(in->fd, &stat)) {
		uint64_t last = reader->offsets[state->memory_count - 1] + state->memory[state->memory_count - 1].size;

		if ((uint64_t)stat.st_size < last)
			error = why(-EINVAL, "the file ends at byte %llu, its memory at byte %llu", (unsigned long long)stat.st_size, (unsigned long long)last);
	}
	for (size_t i = 0; i < state->memory_count; i++)
		in->total += state->memory[i].size;
	for (size_t i = 0; i < state->memory_count && !error; i++)
		error = memory_read(in, &state->memory[i], reader->offsets[i], &sums[i]);
	if (!error && !state->memory_count)
		error = in_skip(in, (in->at + FILE_PAGE - 1) & ~(uint64_t)(FILE_PAGE - 1));
	if (!error)
		error = in_read(in, said, (state->memory_count + 1) * sizeof *said);
	for (size_t i = 0; i < state->memory_count && !error; i++)
		if (sums[i] != said[i])
			error = why(-EINVAL, "the memory at 0x%llx has changed: its sum is 0x%016llx, the file says 0x%016llx", (unsigned long long)state->memory[i].address,
				    (unsigned long long)sums[i], (unsigned long long)said[i]);
	if (!error && said[state->memory_count] != FILE_END)
		error = why(-EINVAL, "at byte %llu: the file's end is not there", (unsigned long long)in->at - 8);
	free(sums);
	return error;
}

/* ---- All of it. ---- */

static int file_read(struct in *in, struct reader *reader, uint8_t **notes)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	int error = header_read(in, &header);

	if (!error)
		error = in_read(in, &segment, sizeof segment);
	/* The other segments say to other tools what our notes say. */
	if (!error)
		error = notes_read(in, &segment, notes);
	if (error)
		return error;
	reader->notes_at = segment.p_offset;
	error = notes_walk(reader, *notes, segment.p_filesz, true);
	if (!error)
		error = notes_walk(reader, *notes, segment.p_filesz, false);
	if (!error && !reader->state)
		error = why(-EINVAL, "this is no state file of anykvm's: it has no state");
	if (!error && reader->memory)
		error = why(-EINVAL, "%u pieces of memory are missing", reader->memory);
	return error ? error : memories_read(in, reader);
}

PUBLIC struct anykvm_state *anykvm_state_read(int fd, const struct anykvm_state_io *io)
{
	struct in in;
	struct reader reader = { 0 };
	uint8_t *notes = NULL;
	int error;

	api_begin(0);
	error = in_open(&in, fd, io);
	if (!error)
		error = file_read(&in, &reader, &notes);
	in_close(&in);
	free(notes);
	free(reader.offsets);
	if (!error)
		return reader.state;
	if (reader.state)
		for (size_t i = 0; i < reader.state->memory_count; i++)
			if (reader.state->memory[i].host == MAP_FAILED)
				reader.state->memory[i].size = 0;
	anykvm_state_free(reader.state);
	api_end(error);
	return NULL;
}

PUBLIC struct anykvm_state *anykvm_state_load(const char *path, const struct anykvm_state_io *io)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct anykvm_state *state;

	if (fd < 0) {
		state_fail(-errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	state = anykvm_state_read(fd, io);
	close(fd);
	return state;
}
