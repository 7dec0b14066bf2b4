/*
 * Register ids: what must hold for every id of every architecture, and for what is none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "anykvm/kvm.h"
#include "anykvm/reg.h"
#include "reg/index.h"

static const uint64_t *every_arch(void)
{
	static uint64_t bits[REG_ARCHES + 1];

	for (int i = 0; i < REG_ARCHES; i++)
		bits[i] = reg_arches[i]->bits;
	return bits;
}

static uint64_t random_state = 0x2545f4914f6cdd1d;

/* xorshift64*: the same numbers on every run. */
static uint64_t random_number(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* The name is in the message when it does not mean that id. */
static void assert_means(uint64_t arch, const char *name, uint64_t id)
{
	uint64_t found = 0;
	int error = anykvm_reg_parse(arch, name, &found);

	if (error || found != id)
		fail_msg("\"%s\" should mean 0x%llx: error %d, 0x%llx", name, (unsigned long long)id, error, (unsigned long long)found);
}

static void assert_unknown(uint64_t arch, const char *name)
{
	uint64_t id = 0;

	if (anykvm_reg_parse(arch, name, &id) != -ENOENT)
		fail_msg("\"%s\" should mean nothing, not 0x%llx", name, (unsigned long long)id);
}

static void assert_name(uint64_t id, const char *name)
{
	char text[ANYKVM_REG_NAME_ROOM];

	assert_int_equal(anykvm_reg_name(id, text, sizeof text), 0);
	assert_string_equal(text, name);
}

/* ---- Every id that has a name. ---- */

static void check_id(uint64_t arch, uint64_t id)
{
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	assert_int_equal(id & KVM_REG_ARCH_MASK, arch);
	assert_in_range(anykvm_reg_size(id), 1, ANYKVM_REG_SIZE_MAX);
	if (anykvm_reg_name(id, name, sizeof name) || !*name)
		fail_msg("0x%llx should have a name", (unsigned long long)id);
	assert_means(arch, name, id);
	for (char *c = name; *c; c++) {
		assert_int_equal(tolower((unsigned char)*c), *c);
		*c = (char)toupper((unsigned char)*c);
	}
	assert_means(arch, name, id);
	snprintf(name, sizeof name, "0x%llx", (unsigned long long)id);
	assert_means(arch, name, id);
	assert_means(0, name, id);
	if (anykvm_reg_describe(id, text, sizeof text) || !*text)
		fail_msg("0x%llx should have a description: \"%s\"", (unsigned long long)id, text);
}

static void every_id_has_a_name_and_back(void **state)
{
	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		size_t count = anykvm_reg_count(*arch);

		assert_true(count > 0);
		for (size_t i = 0; i < count; i++)
			check_id(*arch, anykvm_reg_at(*arch, i));
		assert_int_equal(anykvm_reg_at(*arch, count), 0);
		assert_int_equal(anykvm_reg_at(*arch, SIZE_MAX), 0);
	}
	assert_int_equal(anykvm_reg_count(0), 0);
	assert_int_equal(anykvm_reg_at(0, 0), 0);
}

static void check_names(const struct reg_index *index, const struct reg_entry *entry)
{
	const struct reg_row *row = &index->arch->sets[entry->set].rows[entry->row];
	struct reg_names names = { 0 };
	char name[ANYKVM_REG_NAME_ROOM];

	assert_true(reg_spell(row, row->name, strlen(row->name), entry->nth, name) > 0);
	assert_name(entry->id, name);
	while (reg_names_next(row, &names)) {
		assert_true(reg_spell(row, names.word, names.length, entry->nth, name) > 0);
		assert_means(index->arch->bits, name, entry->id);
	}
}

/* So neither a name nor an id of an architecture stands twice: two registers of one name would have to be the same. */
static void every_alias_means_its_register(void **state)
{
	(void)state;
	for (int arch = 0; arch < REG_ARCHES; arch++)
		for (uint32_t i = 0; i < reg_indexes[arch].count; i++)
			check_names(&reg_indexes[arch], &reg_indexes[arch].entries[i]);
}

/* What others rely on when they read the tables themselves. */
static void check_row(const struct reg_set *set, const struct reg_row *row)
{
	struct reg_names names = { 0 };

	assert_true(row->size <= BITS2048);
	assert_non_null(row->name);
	assert_int_equal(row->index & (uint32_t)set->mask, 0);
	while (reg_names_next(row, &names)) {
		int numbers = 0;

		for (size_t i = 0; i < names.length; i++) {
			if (names.word[i] != '%')
				continue;
			assert_true(i + 1 < names.length && names.word[i + 1] == 'u');
			numbers++;
		}
		if (numbers != !!row->count)
			fail_msg("\"%.*s\" should have %d %%u", (int)names.length, names.word, !!row->count);
	}
}

static void tables_are_well_formed(void **state)
{
	(void)state;
	for (int i = 0; i < REG_ARCHES; i++) {
		const struct reg_arch *arch = reg_arches[i];

		for (uint32_t s = 0; s < arch->count; s++) {
			const struct reg_set *set = &arch->sets[s];

			assert_non_null(set->title);
			assert_int_equal(set->bits & ~set->mask, 0);
			assert_int_equal(set->bits & KVM_REG_ARCH_MASK, arch->bits);
			assert_int_equal(set->mask & (KVM_REG_ARCH_MASK | KVM_REG_SIZE_MASK), KVM_REG_ARCH_MASK);
			for (uint32_t r = 0; r < set->count; r++) {
				check_row(set, &set->rows[r]);
				if (r && set->rows[r].index < set->rows[r - 1].index)
					fail_msg("%s, %s: row \"%s\" is out of order", arch->name, set->title, set->rows[r].name);
			}
		}
	}
}

/* ---- What is none. ---- */

static void wrong_ids_are_refused(void **state)
{
	char text[ANYKVM_REG_TEXT_ROOM];

	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		for (size_t i = 0; i < anykvm_reg_count(*arch); i++) {
			uint64_t id = anykvm_reg_at(*arch, i);

			for (uint64_t size = BITS2048 + 1; size < 16; size++) {
				uint64_t wrong = (id & ~KVM_REG_SIZE_MASK) | size << KVM_REG_SIZE_SHIFT;

				assert_int_equal(anykvm_reg_size(wrong), 0);
				assert_int_equal(anykvm_reg_name(wrong, text, sizeof text), -EINVAL);
				assert_string_equal(text, "");
				assert_int_equal(anykvm_reg_describe(wrong, text, sizeof text), -EINVAL);
				assert_true(*text);
			}
			assert_int_equal(anykvm_reg_name(id & ~KVM_REG_ARCH_MASK, text, sizeof text), -EINVAL);
			assert_int_equal(anykvm_reg_name(id | KVM_REG_ARCH_MASK, text, sizeof text), -EINVAL);
			assert_int_equal(anykvm_reg_describe(id | KVM_REG_ARCH_MASK, text, sizeof text), -EINVAL);
		}
	}
}

/* A size that is another's: unless the architecture has the register in both. */
static void other_sizes_are_refused(void **state)
{
	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		for (size_t i = 0; i < anykvm_reg_count(*arch); i++) {
			uint64_t id = anykvm_reg_at(*arch, i);
			char name[ANYKVM_REG_NAME_ROOM];

			for (uint64_t size = 0; size <= BITS2048; size++) {
				uint64_t other = (id & ~KVM_REG_SIZE_MASK) | size << KVM_REG_SIZE_SHIFT;
				int error = anykvm_reg_name(other, name, sizeof name);

				if (!error)
					assert_means(*arch, name, other);
				else
					assert_int_equal(error, -EINVAL);
			}
		}
	}
}

static void any_id_is_described(void **state)
{
	char name[ANYKVM_REG_NAME_ROOM], text[ANYKVM_REG_TEXT_ROOM];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		const struct reg_arch *arch = reg_arches[random_number() % REG_ARCHES];
		uint64_t id = random_number();
		int error, described;

		if (i % 8) /* near what there is */
			id = anykvm_reg_at(arch->bits, random_number() % anykvm_reg_count(arch->bits)) ^ UINT64_C(1) << random_number() % 64 ^
			     (i % 2 ? UINT64_C(1) << random_number() % 32 : 0);
		error = anykvm_reg_name(id, name, sizeof name);
		described = anykvm_reg_describe(id, text, sizeof text);
		assert_true(*text && strlen(text) < sizeof text);
		assert_int_equal(described, error == -EINVAL ? -EINVAL : 0);
		if (!error)
			assert_means(id & KVM_REG_ARCH_MASK, name, id);
		else
			assert_true(error == -ENOENT || error == -EINVAL);
	}
}

static void nothing_is_written_beyond_room(void **state)
{
	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		uint64_t id = anykvm_reg_at(*arch, anykvm_reg_count(*arch) / 2);
		char text[ANYKVM_REG_TEXT_ROOM + 1], name[ANYKVM_REG_NAME_ROOM];
		size_t length, described;

		assert_int_equal(anykvm_reg_name(id, name, sizeof name), 0);
		assert_int_equal(anykvm_reg_describe(id, text, sizeof text), 0);
		length = strlen(name);
		described = strlen(text);
		assert_int_equal(anykvm_reg_name(id, NULL, 0), -ENOSPC);
		for (size_t room = 1; room < ANYKVM_REG_TEXT_ROOM; room++) {
			memset(text, 0x5a, sizeof text);
			assert_int_equal(anykvm_reg_name(id, text, room), room > length ? 0 : -ENOSPC);
			assert_int_equal(strlen(text), room > length ? length : 0);
			assert_int_equal(text[room], 0x5a);
			memset(text, 0x5a, sizeof text);
			assert_int_equal(anykvm_reg_describe(id, text, room), room > described ? 0 : -ENOSPC);
			assert_int_equal(strlen(text), room > described ? described : 0);
			assert_int_equal(text[room], 0x5a);
		}
	}
}

/* ---- Names that are none. ---- */

static void random_names_are_harmless(void **state)
{
	char name[3 * ANYKVM_REG_NAME_ROOM], nearest[ANYKVM_REG_NAME_ROOM];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		const struct reg_arch *arch = reg_arches[random_number() % REG_ARCHES];
		size_t length = random_number() % (i % 16 ? 24 : sizeof name - 1);
		uint64_t id = 0;

		if (i % 2)
			anykvm_reg_name(anykvm_reg_at(arch->bits, random_number() % anykvm_reg_count(arch->bits)), name, sizeof name);
		else
			for (size_t c = 0; c < length; c++)
				name[c] = (char)(random_number() % 255 + 1);
		name[length] = 0;
		if (i % 2 && length)
			name[random_number() % length] ^= (char)(1 << random_number() % 7);
		if (!anykvm_reg_parse(i % 3 ? arch->bits : 0, name, &id))
			assert_int_not_equal(anykvm_reg_name(id, nearest, sizeof nearest), -EINVAL);
		else if (i % 100 == 0 && !anykvm_reg_suggest(arch->bits, name, nearest, sizeof nearest))
			assert_int_equal(anykvm_reg_parse(arch->bits, nearest, &id), 0);
	}
	assert_unknown(0, "");
	assert_unknown(KVM_REG_X86, "");
	assert_unknown(KVM_REG_ARCH_MASK, "rax");
	assert_int_equal(anykvm_reg_suggest(KVM_REG_X86, "", nearest, sizeof nearest), -ENOENT);
}

/* A letter more, less or another, or two swapped, in a name long enough. */
static void near_misses_are_suggested(void **state)
{
	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		for (int i = 0; i < 200; i++) {
			char name[ANYKVM_REG_NAME_ROOM + 1], nearest[ANYKVM_REG_NAME_ROOM];
			size_t length, at;
			uint64_t id;

			anykvm_reg_name(anykvm_reg_at(*arch, random_number() % anykvm_reg_count(*arch)), name, ANYKVM_REG_NAME_ROOM);
			length = strlen(name);
			if (length < 3 || length + 2 > ANYKVM_REG_NAME_ROOM)
				continue;
			at = random_number() % (length - 1);
			if (i % 3 == 0)
				memmove(name + at, name + at + 1, length - at);
			else if (i % 3 == 1)
				memmove(name + at + 1, name + at, length - at + 1);
			else
				name[at] = '~';
			if (!anykvm_reg_parse(*arch, name, &id))
				continue;
			if (anykvm_reg_suggest(*arch, name, nearest, sizeof nearest))
				fail_msg("nothing near \"%s\"", name);
			assert_int_equal(anykvm_reg_parse(*arch, nearest, &id), 0);
		}
	}
}

/* ---- Architectures. ---- */

static void architectures_have_names(void **state)
{
	(void)state;
	for (const uint64_t *arch = every_arch(); *arch; arch++) {
		assert_non_null(anykvm_arch_name(*arch));
		assert_int_equal(anykvm_arch_parse(anykvm_arch_name(*arch)), *arch);
	}
	assert_int_equal(anykvm_arch_parse("x86"), KVM_REG_X86);
	assert_int_equal(anykvm_arch_parse("x86_64"), KVM_REG_X86);
	assert_int_equal(anykvm_arch_parse("AMD64"), KVM_REG_X86);
	assert_int_equal(anykvm_arch_parse("vax"), 0);
	assert_int_equal(anykvm_arch_parse(""), 0);
	assert_int_equal(anykvm_arch_parse("x86_64 amd64"), 0);
	assert_null(anykvm_arch_name(0));
	assert_null(anykvm_arch_name(UINT64_MAX));
}

/* ---- x86, by hand. ---- */

static void x86_names_mean_their_ids(void **state)
{
	static const struct {
		const char *name;
		uint64_t id;
	} known[] = {
		{ "rax", 0x203000a000000000 },
		{ "r15", 0x203000a00000000f },
		{ "rip", 0x203000a000000010 },
		{ "rflags", 0x203000a000000011 },
		{ "cs", 0x201000a100000011 },
		{ "fs_base", 0x203000a100000042 },
		{ "ss_attributes", 0x202000a100000024 },
		{ "cs_segment", 0x205000a100000010 },
		{ "gdtr", 0x204000a100000080 },
		{ "idtr_limit", 0x201000a100000093 },
		{ "cr0", 0x203000a200000000 },
		{ "cr4", 0x203000a200000004 },
		{ "cr8", 0x203000a200000008 },
		{ "efer", 0x203000a200000010 },
		{ "pdptr3", 0x203000a200000023 },
		{ "dr7", 0x203000a300000007 },
		{ "xcr0", 0x203000a400000000 },
		{ "st7", 0x204000a500000007 },
		{ "ftw", 0x200000a50000000a },
		{ "mm1", 0x203000a600000001 },
		{ "xmm7", 0x204000a600000107 },
		{ "ymm31", 0x205000a60000021f },
		{ "zmm0", 0x206000a600000300 },
		{ "k7", 0x203000a600000407 },
		{ "mxcsr", 0x202000a700000000 },
		{ "events", 0x206000a800000000 },
		{ "exception_payload", 0x203000a800000015 },
		{ "tsc_offset", 0x203000a900000001 },
		{ "tsc", 0x2030000200000010 },
		{ "msr_efer", 0x20300002c0000080 },
		{ "star", 0x20300002c0000081 },
		{ "kernel_gs_base", 0x20300002c0000102 },
		{ "debugctl", 0x20300002000001d9 },
		{ "mtrr_physmask7", 0x203000020000020f },
		{ "mc3_status", 0x203000020000040d },
		{ "fixed_ctr2", 0x203000020000030b },
		{ "vmx_basic", 0x2030000200000480 },
		{ "rtit_addr1_b", 0x2030000200000583 },
		{ "x2apic_lvt_lint1", 0x2030000200000836 },
		{ "hv_stimer3_count", 0x20300002400000b7 },
		{ "kvm_steal_time", 0x203000024b564d03 },
		{ "smca_mc1_status", 0x20300002c0002011 },
		{ "vm_hsave_pa", 0x20300002c0010117 },
		{ "msr 0xdeadbeef", 0x20300002deadbeef },
		{ "guest_ssp", 0x2030000300000000 },
	};
	static const struct {
		const char *name, *canonical;
	} aliases[] = {
		{ "eflags", "rflags" }, { "EFLAGS", "rflags" }, { "cs_ar", "cs_attributes" }, { "gdt_base", "gdtr_base" }, { "fctrl", "fcw" },
		{ "MSR_STAR", "star" }, { "IA32_TSC", "tsc" }, { "MSR_IA32_TSC", "tsc" }, { "ia32_efer", "msr_efer" }, { "MSR_EFER", "msr_efer" },
		{ "msr 0xc0000102", "kernel_gs_base" }, { "MSR_0xC0000102", "kernel_gs_base" }, { "msr 16", "tsc" }, { "msr_0xdeadbeef", "msr 0xdeadbeef" },
		{ "0X2030_0002_c000_0081", "star" }, { "MSR_IA32_DEBUGCTLMSR", "debugctl" }, { "MSR_IA32_CR_PAT", "pat" }, { "MSR_K7_HWCR", "hwcr" },
		{ "HV_X64_MSR_VP_INDEX", "hv_vp_index" }, { "MSR_KVM_WALL_CLOCK_NEW", "kvm_wall_clock_new" }, { "amd:patch_level", "bios_sign_id" },
		{ "xen:hypercall_page", "hv_guest_os_id" }, { "amd:perfctr0", "k7_perfctr0" }, { "MSR_FS_BASE", "msr_fs_base" },
	};
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		assert_means(KVM_REG_X86, known[i].name, known[i].id);
		assert_name(known[i].id, known[i].name);
	}
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
		assert_int_equal(anykvm_reg_parse(KVM_REG_X86, aliases[i].name, &id), 0);
		assert_name(id, aliases[i].canonical);
	}
}

static void x86_what_is_none(void **state)
{
	static const struct {
		uint64_t id;
		int error;
	} ids[] = {
		{ 0x203000a000000012, -ENOENT }, /* general, one beyond rflags */
		{ 0x202000a000000000, -EINVAL }, /* rax in 32 bits */
		{ 0x203000a200000001, -ENOENT }, /* cr1 */
		{ 0x203000a300000004, -ENOENT }, /* dr4 */
		{ 0x2030000000000000, -EINVAL }, /* no type */
		{ 0x203000ff00000000, -EINVAL },
		{ 0x203001a000000000, -EINVAL }, /* bit 40 */
		{ 0x203800a000000000, -EINVAL }, /* bit 51 */
		{ 0x2020000200000010, -EINVAL }, /* an MSR in 32 bits */
		{ 0x20200002deadbeef, -EINVAL },
		{ 0x2030000300000001, -ENOENT }, /* no such register of the kernel's */
		{ 0x209000a000000000, -EINVAL }, /* size bits 9 */
		{ 0x703000a000000000, -EINVAL },
		{ 0, -EINVAL },
	};
	static const char *const names[] = { "cr1", "dr4", "r16", "r7", "r08", "xmm32", "rax ", " rax", "msr_rax", "ia32_cr0", "msr", "msr ", "msr 0x",
					     "msr 0x100000000", "msr -1", "0x203000ff00000000", "0", "203", "%u", "r%u" };
	char name[ANYKVM_REG_NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		assert_int_equal(anykvm_reg_name(ids[i].id, name, sizeof name), ids[i].error);
		assert_string_equal(name, "");
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_unknown(KVM_REG_X86, names[i]);
}

static void x86_near_misses(void **state)
{
	static const struct {
		const char *name, *nearest;
	} misses[] = {
		{ "rxa", "rax" }, { "raxx", "rax" }, { "elfags", "eflags" }, { "RFLAG", "rflags" }, { "kernal_gs_base", "kernel_gs_base" },
		{ "msr_kernal_gs_base", "kernel_gs_base" }, { "exception_inject", "exception_injected" }, { "mxscr", "mxcsr" },
	};
	char nearest[ANYKVM_REG_NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof misses / sizeof misses[0]; i++) {
		assert_int_equal(anykvm_reg_suggest(KVM_REG_X86, misses[i].name, nearest, sizeof nearest), 0);
		assert_string_equal(nearest, misses[i].nearest);
	}
	assert_int_equal(anykvm_reg_suggest(KVM_REG_X86, "something else entirely", nearest, sizeof nearest), -ENOENT);
	assert_int_equal(anykvm_reg_suggest(KVM_REG_X86, "MSR_IA32_FOOBAR", nearest, sizeof nearest), -ENOENT);
	assert_string_equal(nearest, "");
	assert_int_equal(anykvm_reg_suggest(KVM_REG_X86, "rxa", nearest, 3), -ENOSPC);
	assert_string_equal(nearest, "");
}

static void x86_descriptions(void **state)
{
	static const struct {
		uint64_t id;
		int error;
		const char *text;
	} known[] = {
		{ 0x203000a000000000, 0, "x86 general register, index 0, 64 bits" },
		{ 0x20300002c0000102, 0, "x86 MSR, index 0xc0000102, 64 bits" },
		{ 0x20300002deadbeef, 0, "x86 MSR, index 0xdeadbeef, 64 bits" },
		{ 0x203000a100000042, 0, "x86 segment, FS, base, 64 bits" },
		{ 0x204000a600000107, 0, "x86 vector register, XMM, number 7, 128 bits" },
		{ 0x202000a000000000, -EINVAL, "x86 general register, index 0, 32 bits: its size is not the register's" },
		{ 0x203001a000000000, -EINVAL, "x86, bits 0x1a000000000, 64 bits: bits 51:40 must be zero" },
		{ 0x203000a000000000 | KVM_REG_SIZE_MASK, -EINVAL, "x86 general register, index 0: its size bits (55:52) are above 8" },
		{ 0xff30000000000000, -EINVAL, "architecture 0xff, 64 bits: of no architecture" },
	};
	char text[ANYKVM_REG_TEXT_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		assert_int_equal(anykvm_reg_describe(known[i].id, text, sizeof text), known[i].error);
		assert_string_equal(text, known[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_has_a_name_and_back),
		cmocka_unit_test(every_alias_means_its_register),
		cmocka_unit_test(tables_are_well_formed),
		cmocka_unit_test(wrong_ids_are_refused),
		cmocka_unit_test(other_sizes_are_refused),
		cmocka_unit_test(any_id_is_described),
		cmocka_unit_test(nothing_is_written_beyond_room),
		cmocka_unit_test(random_names_are_harmless),
		cmocka_unit_test(near_misses_are_suggested),
		cmocka_unit_test(architectures_have_names),
		cmocka_unit_test(x86_names_mean_their_ids),
		cmocka_unit_test(x86_what_is_none),
		cmocka_unit_test(x86_near_misses),
		cmocka_unit_test(x86_descriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
