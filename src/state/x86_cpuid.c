/*
 * CPUID in states. Feature bits by the manuals' names in lower case (SDM Vol. 2A, CPUID; AMD APM Vol. 3, appendix E; KVM's own leaves:
 * Documentation/virt/kvm/x86/cpuid.rst).
 */
#include "state/x86_cpuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/why.h"

enum { EAX, EBX, ECX, EDX };
static const char *const word_names[] = { "eax", "ebx", "ecx", "edx" };

/* ---- Words that are sets of features. ---- */

static const struct feature_word {
	uint32_t leaf, subleaf, word;
	uint32_t dynamic; /* no features: what the state says, too; how many threads there are; what is missing (FCS and FDS) */
	const char *names[32];
} feature_words[] = {
	{ 1, 0, ECX, 1u << 27 | 1u << 31, {
		"sse3", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2", "ssse3", "cnxt_id", "sdbg", "fma", "cx16", "xtpr", "pdcm",
		NULL, "pcid", "dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline", "aes", "xsave", "osxsave", "avx", "f16c", "rdrand",
		"hypervisor" } },
	{ 1, 0, EDX, 1u << 9 | 1u << 28, {
		"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "psn", "clfsh",
		NULL, "ds", "acpi", "mmx", "fxsr", "sse", "sse2", "ss", "htt", "tm", NULL, "pbe" } },
	{ 7, 0, EBX, 1u << 6 | 1u << 13, {
		"fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", "fdp_excptn_only", "smep", "bmi2", "erms", "invpcid", "rtm", "pqm", "fpu_csds", "mpx",
		"pqe", "avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512_ifma", NULL, "clflushopt", "clwb", "pt", "avx512pf", "avx512er", "avx512cd",
		"sha", "avx512bw", "avx512vl" } },
	{ 7, 0, ECX, 1u << 4, {
		"prefetchwt1", "avx512_vbmi", "umip", "pku", "ospke", "waitpkg", "avx512_vbmi2", "cet_ss", "gfni", "vaes", "vpclmulqdq", "avx512_vnni",
		"avx512_bitalg", "tme", "avx512_vpopcntdq", NULL, "la57", [22] = "rdpid", "kl", "bus_lock_detect", "cldemote", NULL, "movdiri", "movdir64b",
		"enqcmd", "sgx_lc", "pks" } },
	{ 7, 0, EDX, 0, {
		[2] = "avx512_4vnniw", "avx512_4fmaps", "fsrm", "uintr", [8] = "avx512_vp2intersect", "srbds_ctrl", "md_clear", "rtm_always_abort", [13] = "tsx_force_abort",
		"serialize", "hybrid", "tsxldtrk", NULL, "pconfig", "arch_lbr", "cet_ibt", NULL, "amx_bf16", "avx512_fp16", "amx_tile", "amx_int8", "ibrs_ibpb",
		"stibp", "l1d_flush", "arch_capabilities", "core_capabilities", "ssbd" } },
	{ 7, 1, EAX, 0, {
		"sha512", "sm3", "sm4", "rao_int", "avx_vnni", "avx512_bf16", "lass", "cmpccxadd", "arch_perfmon_ext", NULL, "fzrm", "fsrs", "fsrc", [17] = "fred", "lkgs",
		"wrmsrns", NULL, "amx_fp16", "hreset", "avx_ifma", [26] = "lam", "msrlist" } },
	{ 7, 1, EDX, 0, { [4] = "avx_vnni_int8", "avx_ne_convert", [8] = "amx_complex", [10] = "avx_vnni_int16", [14] = "prefetchi", [19] = "avx10" } },
	{ 7, 2, EDX, 0, { "psfd", "ipred_ctrl", "rrsba_ctrl", "ddpd_u", "bhi_ctrl", "mcdt_no" } },
	{ 0xd, 0, EAX, 0, { "xcr0.x87", "xcr0.sse", "xcr0.avx", "xcr0.bndregs", "xcr0.bndcsr", "xcr0.opmask", "xcr0.zmm_hi256", "xcr0.hi16_zmm", NULL, "xcr0.pkru",
		[17] = "xcr0.tilecfg", "xcr0.tiledata" } },
	{ 0xd, 1, EAX, 0, { "xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd" } },
	{ 0x40000001, 0, EAX, 0, {
		"kvm_clocksource", "kvm_nop_io_delay", "kvm_mmu_op", "kvm_clocksource2", "kvm_async_pf", "kvm_steal_time", "kvm_pv_eoi", "kvm_pv_unhalt", NULL,
		"kvm_pv_tlb_flush", "kvm_async_pf_vmexit", "kvm_pv_send_ipi", "kvm_poll_control", "kvm_pv_sched_yield", "kvm_async_pf_int", "kvm_msi_ext_dest_id",
		"kvm_hc_map_gpa_range", "kvm_migration_control", [24] = "kvm_clocksource_stable" } },
	{ 0x80000001, 0, ECX, 0, {
		"lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", "misalignsse", "3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", NULL,
		"lwp", "fma4", "tce", [21] = "tbm", "topoext", "perfctr_core", "perfctr_nb", NULL, "data_bp", "perftsc", "perfctr_llc", "mwaitx" } },
	{ 0x80000001, 0, EDX, 1u << 9, {
		[11] = "syscall", [19] = "mp", "nx", NULL, "mmxext", [25] = "fxsr_opt", "pdpe1gb", "rdtscp", NULL, "lm", "3dnowext", "3dnow" } },
	{ 0x80000008, 0, EBX, 0, {
		"clzero", "irperf", "xsaveerptr", [4] = "rdpru", [8] = "mcommit", "wbnoinvd", [12] = "ibpb", [14] = "ibrs", "stibp", [17] = "stibp_always_on", [23] = "ppin",
		"ssbd", "virt_ssbd", "ssb_no", "cppc", "psfd" } },
	{ 0x80000021, 0, EAX, 0, { "no_nested_data_bp", NULL, "lfence_always_serializing", [6] = "null_sel_clr_base", [8] = "auto_ibrs", [27] = "sbpb", "ibpb_brtype", "srso_no" } },
};

static const struct feature_word *feature_word_find(uint32_t leaf, uint32_t subleaf, uint32_t word)
{
	for (size_t i = 0; i < sizeof feature_words / sizeof *feature_words; i++)
		if (feature_words[i].leaf == leaf && feature_words[i].subleaf == subleaf && feature_words[i].word == word)
			return &feature_words[i];
	return NULL;
}

const char *x86_cpuid_feature(uint32_t leaf, uint32_t subleaf, unsigned int word, unsigned int bit)
{
	const struct feature_word *features = feature_word_find(leaf, subleaf, word);

	return features && bit < 32 ? features->names[bit] : NULL;
}

/* ---- Entries. ---- */

struct kvm_cpuid2 *x86_cpuid_supported(int system)
{
	for (uint32_t room = 128; room <= X86_CPUID_MOST; room *= 2) {
		struct kvm_cpuid2 *cpuid = calloc(1, X86_CPUID_SIZE(room));

		if (!cpuid)
			return NULL;
		cpuid->nent = room;
		if (anykvm_ioctl(system, KVM_GET_SUPPORTED_CPUID, cpuid) == 0)
			return cpuid;
		free(cpuid);
		if (errno != E2BIG)
			return NULL;
	}
	return NULL;
}

static uint32_t word_of(const struct kvm_cpuid_entry2 *entry, uint32_t word)
{
	const uint32_t words[] = { entry->eax, entry->ebx, entry->ecx, entry->edx };

	return words[word];
}

/* Leaves without subleaves have index 0. */
static const struct kvm_cpuid_entry2 *entry_find(const struct kvm_cpuid_entry2 *entries, size_t count, uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].function == leaf && (entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? entries[i].index : 0) == subleaf)
			return &entries[i];
	return NULL;
}

void x86_cpuid_unite(struct kvm_cpuid2 *supported, const struct kvm_cpuid_entry2 *entries, size_t count)
{
	for (size_t i = 0; i < supported->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &supported->entries[i];
		const struct kvm_cpuid_entry2 *other = entry_find(entries, count, entry->function, entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? entry->index : 0);
		uint32_t *const words[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

		for (uint32_t word = EAX; word <= EDX; word++)
			if (other && feature_word_find(entry->function, entry->index, word))
				*words[word] |= word_of(other, word);
	}
}

static void word_name(uint32_t leaf, uint32_t subleaf, uint32_t word, char name[static 48])
{
	snprintf(name, 48, "cpuid.0x%x.%u.%s", leaf, subleaf, word_names[word]);
}

void x86_cpuid_words(const struct kvm_cpuid_entry2 *entries, size_t count, void (*tell)(void *context, const char *name, uint32_t value), void *context)
{
	char name[48];

	for (size_t i = 0; i < count; i++) {
		for (uint32_t word = EAX; word <= EDX; word++) {
			word_name(entries[i].function, entries[i].index, word, name);
			if (word_of(&entries[i], word))
				tell(context, name, word_of(&entries[i], word));
		}
	}
}

void x86_cpuid_policy(struct kvm_cpuid_entry2 *entries, size_t count, const struct anykvm_policy *policy)
{
	char name[48];
	bool unequal;

	for (size_t i = 0; i < count; i++) {
		uint32_t *const words[] = { &entries[i].eax, &entries[i].ebx, &entries[i].ecx, &entries[i].edx };

		for (uint32_t word = EAX; word <= EDX; word++) {
			word_name(entries[i].function, entries[i].index, word, name);
			policy_apply(policy, name, words[word], sizeof *words[word], NULL, &unequal);
		}
	}
}

/* ---- Features that are missing. ---- */

/* "avx, avx2, bit 30" */
static void features_print(const struct feature_word *features, uint32_t bits, char *text, size_t room)
{
	size_t at = 0;

	*text = 0;
	for (; bits && at < room; bits &= bits - 1) {
		unsigned int bit = (unsigned int)__builtin_ctz(bits);
		const char *comma = at ? ", " : "";

		if (features->names[bit])
			at += (size_t)snprintf(text + at, room - at, "%s%s", comma, features->names[bit]);
		else
			at += (size_t)snprintf(text + at, room - at, "%sbit %u", comma, bit);
	}
}

static void word_check(const struct feature_word *features, uint32_t saved, uint32_t supported, int vcpu, const struct anykvm_policy *policy,
		       struct anykvm_report *report)
{
	char name[48], field[256], saved_text[16], possible[16], remedy[96];
	bool unequal;
	uint32_t missing, wanted = saved;

	word_name(features->leaf, features->subleaf, features->word, name);
	if (!policy_apply(policy, name, &wanted, sizeof wanted, &supported, &unequal) && !unequal)
		return;
	missing = unequal ? (saved ^ supported) & ~features->dynamic : wanted & ~supported & ~features->dynamic;
	if (!missing)
		return;
	features_print(features, missing, field, sizeof field);
	snprintf(saved_text, sizeof saved_text, "0x%x", wanted);
	snprintf(possible, sizeof possible, "0x%x", wanted & ~missing);
	snprintf(remedy, sizeof remedy, "clear %s 0x%x", name, missing);
	report_add(report, (struct anykvm_misfit){ .vcpu = vcpu, .name = name, .field = field, .saved = saved_text, .possible = possible,
			   .rule = unequal ? "the policy requires it to be equal" : "the guest has been told of features that are not there", .remedy = remedy });
}

void x86_cpuid_check(const struct kvm_cpuid_entry2 *entries, size_t count, const struct kvm_cpuid2 *supported, int vcpu, const struct anykvm_policy *policy,
		     struct anykvm_report *report)
{
	for (size_t i = 0; i < sizeof feature_words / sizeof *feature_words; i++) {
		const struct feature_word *features = &feature_words[i];
		const struct kvm_cpuid_entry2 *has = entry_find(entries, count, features->leaf, features->subleaf);
		const struct kvm_cpuid_entry2 *there = entry_find(supported->entries, supported->nent, features->leaf, features->subleaf);

		if (has)
			word_check(features, word_of(has, features->word), there ? word_of(there, features->word) : 0, vcpu, policy, report);
	}
}

/* ---- In profiles. ---- */

void x86_cpuid_print(FILE *to, const struct anykvm_profile *profile)
{
	const struct kvm_cpuid2 *cpuid = profile->cpuid;

	for (uint32_t i = 0; cpuid && i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		fprintf(to, "cpuid 0x%x %u %s 0x%x 0x%x 0x%x 0x%x\n", entry->function, entry->index, entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? "indexed" : "plain",
			entry->eax, entry->ebx, entry->ecx, entry->edx);
	}
}

bool x86_cpuid_line(struct anykvm_profile *profile, const char *line)
{
	struct kvm_cpuid2 *cpuid = profile->cpuid, *grown;
	struct kvm_cpuid_entry2 entry = { 0 };
	uint32_t count = cpuid ? cpuid->nent : 0;
	char word[16];

	if (strncmp(line, "cpuid ", 6) || sscanf(line, "cpuid %x %u %15s %x %x %x %x", &entry.function, &entry.index, word, &entry.eax, &entry.ebx, &entry.ecx, &entry.edx) != 7 || count == 8192)
		return false;
	entry.flags = strcmp(word, "indexed") ? 0 : KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	grown = realloc(cpuid, sizeof *grown + (count + 1) * sizeof entry);
	if (!grown)
		return false;
	grown->nent = count + 1;
	grown->padding = 0;
	grown->entries[count] = entry;
	profile->cpuid = grown;
	return true;
}
