/*
 * Register ids of x86: the kernel's (Linux 6.18: MSRs, guest_ssp) and anykvm's own sets; their layout is in include/anykvm/kvm.h. General,
 * segment and vector registers have gdb's names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reg/table.h"
#include "reg/x86_msr.h"

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

/* ---- General registers. ---- */

static const struct reg_row general[] = {
	{ 0, .size = BITS64, .name = "rax" },
	{ 1, .size = BITS64, .name = "rcx" },
	{ 2, .size = BITS64, .name = "rdx" },
	{ 3, .size = BITS64, .name = "rbx" },
	{ 4, .size = BITS64, .name = "rsp" },
	{ 5, .size = BITS64, .name = "rbp" },
	{ 6, .size = BITS64, .name = "rsi" },
	{ 7, .size = BITS64, .name = "rdi" },
	{ 8, 8, .first = 8, .size = BITS64, .name = "r%u" },
	{ 16, .size = BITS64, .name = "rip" },
	{ 17, .size = BITS64, .name = "rflags", .alias = "eflags" },
};

/* ---- Segments and tables. ---- */

#define AT(segment, part) ANYKVM_X86_SEGMENT_##segment << 4 | ANYKVM_X86_SEGMENT_##part
#define SEGMENT(segment, name_)                                                                                                            \
	{ AT(segment, WHOLE), .size = BITS256, .name = name_ "_segment" },                                                                 \
	{ AT(segment, SELECTOR), .size = BITS16, .name = name_, .alias = name_ "_selector" },                                              \
	{ AT(segment, BASE), .size = BITS64, .name = name_ "_base" },                                                                      \
	{ AT(segment, LIMIT), .size = BITS32, .name = name_ "_limit" },                                                                    \
	{ AT(segment, ATTRIBUTES), .size = BITS32, .name = name_ "_attributes", .alias = name_ "_ar" }
#define TABLE(segment, name_, short_)                                                                                                      \
	{ AT(segment, WHOLE), .size = BITS128, .name = name_, .alias = short_ },                                                           \
	{ AT(segment, BASE), .size = BITS64, .name = name_ "_base", .alias = short_ "_base" },                                             \
	{ AT(segment, LIMIT), .size = BITS16, .name = name_ "_limit", .alias = short_ "_limit" }

static const struct reg_row segments[] = {
	SEGMENT(ES, "es"), SEGMENT(CS, "cs"), SEGMENT(SS, "ss"), SEGMENT(DS, "ds"), SEGMENT(FS, "fs"), SEGMENT(GS, "gs"), SEGMENT(TR, "tr"),
	{ AT(LDTR, WHOLE), .size = BITS256, .name = "ldtr_segment", .alias = "ldt_segment" },
	{ AT(LDTR, SELECTOR), .size = BITS16, .name = "ldtr", .alias = "ldt ldtr_selector ldt_selector" },
	{ AT(LDTR, BASE), .size = BITS64, .name = "ldtr_base", .alias = "ldt_base" },
	{ AT(LDTR, LIMIT), .size = BITS32, .name = "ldtr_limit", .alias = "ldt_limit" },
	{ AT(LDTR, ATTRIBUTES), .size = BITS32, .name = "ldtr_attributes", .alias = "ldtr_ar ldt_attributes ldt_ar" },
	TABLE(GDTR, "gdtr", "gdt"), TABLE(IDTR, "idtr", "idt"),
};

static int segment_describe(uint64_t id, char *text, size_t room)
{
	static const char *const segments_[] = { "ES", "CS", "SS", "DS", "FS", "GS", "TR", "LDTR", "GDTR", "IDTR" };
	static const char *const parts[] = { "whole", "selector", "base", "limit", "attributes" };
	uint32_t segment = (uint32_t)id >> 4, part = (uint32_t)id & 15;

	if (segment > ANYKVM_X86_SEGMENT_IDTR || part > ANYKVM_X86_SEGMENT_ATTRIBUTES)
		return snprintf(text, room, ", segment %u, part %u", segment, part);
	return snprintf(text, room, ", %s, %s", segments_[segment], parts[part]);
}

/* ---- Control, debug, extended control registers. ---- */

static const struct reg_row controls[] = {
	{ 0, .size = BITS64, .name = "cr0" },
	{ 2, 3, .first = 2, .size = BITS64, .name = "cr%u" },
	{ 8, .size = BITS64, .name = "cr8" },
	{ ANYKVM_X86_CONTROL_EFER, .size = BITS64, .name = "efer" },
	{ ANYKVM_X86_CONTROL_APIC_BASE, .size = BITS64, .name = "apic_base" },
	{ ANYKVM_X86_CONTROL_PDPTR, 4, .size = BITS64, .name = "pdptr%u", .alias = "pdpte%u" },
};

static const struct reg_row debugs[] = {
	{ 0, 4, .size = BITS64, .name = "dr%u", .alias = "db%u" },
	{ 6, 2, .first = 6, .size = BITS64, .name = "dr%u" },
};

static const struct reg_row xcrs[] = {
	{ 0, .size = BITS64, .name = "xcr0" },
};

/* ---- What XSAVE holds. gdb's ftag is the full tag word, which FXSAVE does not have. ---- */

static const struct reg_row x87[] = {
	{ 0, 8, .size = BITS128, .name = "st%u", .alias = "st(%u)" },
	{ ANYKVM_X86_X87_FCW, .size = BITS16, .name = "fcw", .alias = "fctrl cwd" },
	{ ANYKVM_X86_X87_FSW, .size = BITS16, .name = "fsw", .alias = "fstat swd" },
	{ ANYKVM_X86_X87_FTW, .size = BITS8, .name = "ftw", .alias = "ftwx" },
	{ ANYKVM_X86_X87_FOP, .size = BITS16, .name = "fop", .alias = "last_opcode" },
	{ ANYKVM_X86_X87_FIP, .size = BITS64, .name = "fip", .alias = "last_ip" },
	{ ANYKVM_X86_X87_FDP, .size = BITS64, .name = "fdp", .alias = "last_dp" },
};

static const struct reg_row vectors[] = {
	{ ANYKVM_X86_VECTOR_MM << 8, 8, .size = BITS64, .name = "mm%u" },
	{ ANYKVM_X86_VECTOR_XMM << 8, 32, .size = BITS128, .name = "xmm%u" },
	{ ANYKVM_X86_VECTOR_YMM << 8, 32, .size = BITS256, .name = "ymm%u" },
	{ ANYKVM_X86_VECTOR_ZMM << 8, 32, .size = BITS512, .name = "zmm%u" },
	{ ANYKVM_X86_VECTOR_K << 8, 8, .size = BITS64, .name = "k%u" },
};

static int vector_describe(uint64_t id, char *text, size_t room)
{
	static const char *const classes[] = { "MM", "XMM", "YMM", "ZMM", "K" };
	uint32_t class = (uint32_t)id >> 8, number = (uint32_t)id & 0xff;

	if (class > ANYKVM_X86_VECTOR_K)
		return snprintf(text, room, ", class %u, number %u", class, number);
	return snprintf(text, room, ", %s, number %u", classes[class], number);
}

static const struct reg_row xsave[] = {
	{ ANYKVM_X86_XSAVE_MXCSR, .size = BITS32, .name = "mxcsr" },
	{ ANYKVM_X86_XSAVE_MXCSR_MASK, .size = BITS32, .name = "mxcsr_mask" },
	{ ANYKVM_X86_XSAVE_PKRU, .size = BITS32, .name = "pkru" },
	{ ANYKVM_X86_XSAVE_XSTATE_BV, .size = BITS64, .name = "xstate_bv" },
};

/* ---- Events: the fields of struct kvm_vcpu_events. ---- */

static const struct reg_row events[] = {
	{ ANYKVM_X86_EVENTS_WHOLE, .size = BITS512, .name = "events", .alias = "vcpu_events" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_INJECTED, .size = BITS8, .name = "exception_injected" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_NR, .size = BITS8, .name = "exception_nr" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_HAS_ERROR_CODE, .size = BITS8, .name = "exception_has_error_code" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_PENDING, .size = BITS8, .name = "exception_pending" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_ERROR_CODE, .size = BITS32, .name = "exception_error_code" },
	{ ANYKVM_X86_EVENTS_INTERRUPT_INJECTED, .size = BITS8, .name = "interrupt_injected" },
	{ ANYKVM_X86_EVENTS_INTERRUPT_NR, .size = BITS8, .name = "interrupt_nr" },
	{ ANYKVM_X86_EVENTS_INTERRUPT_SOFT, .size = BITS8, .name = "interrupt_soft" },
	{ ANYKVM_X86_EVENTS_INTERRUPT_SHADOW, .size = BITS8, .name = "interrupt_shadow" },
	{ ANYKVM_X86_EVENTS_NMI_INJECTED, .size = BITS8, .name = "nmi_injected" },
	{ ANYKVM_X86_EVENTS_NMI_PENDING, .size = BITS8, .name = "nmi_pending" },
	{ ANYKVM_X86_EVENTS_NMI_MASKED, .size = BITS8, .name = "nmi_masked" },
	{ ANYKVM_X86_EVENTS_SIPI_VECTOR, .size = BITS32, .name = "sipi_vector" },
	{ ANYKVM_X86_EVENTS_FLAGS, .size = BITS32, .name = "events_flags", .alias = "event_flags" },
	{ ANYKVM_X86_EVENTS_SMI_SMM, .size = BITS8, .name = "smi_smm", .alias = "smm" },
	{ ANYKVM_X86_EVENTS_SMI_PENDING, .size = BITS8, .name = "smi_pending" },
	{ ANYKVM_X86_EVENTS_SMI_SMM_INSIDE_NMI, .size = BITS8, .name = "smi_smm_inside_nmi", .alias = "smm_inside_nmi" },
	{ ANYKVM_X86_EVENTS_SMI_LATCHED_INIT, .size = BITS8, .name = "smi_latched_init", .alias = "latched_init" },
	{ ANYKVM_X86_EVENTS_TRIPLE_FAULT_PENDING, .size = BITS8, .name = "triple_fault_pending" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_HAS_PAYLOAD, .size = BITS8, .name = "exception_has_payload" },
	{ ANYKVM_X86_EVENTS_EXCEPTION_PAYLOAD, .size = BITS64, .name = "exception_payload" },
};

static const struct reg_row vcpu[] = {
	{ ANYKVM_X86_VCPU_MP_STATE, .size = BITS32, .name = "mp_state" },
	{ ANYKVM_X86_VCPU_TSC_OFFSET, .size = BITS64, .name = "tsc_offset" },
	{ ANYKVM_X86_VCPU_TSC_KHZ, .size = BITS32, .name = "tsc_khz" },
};

/* ---- The kernel's two types. ---- */

static const struct reg_row kvm[] = {
	{ KVM_REG_GUEST_SSP, .size = BITS64, .name = "guest_ssp", .alias = "ssp" },
};

static int index_describe(uint64_t id, char *text, size_t room)
{
	return snprintf(text, room, ", index 0x%x", (uint32_t)id);
}

static bool msr_name(uint64_t id, char *name, size_t room)
{
	return (size_t)snprintf(name, room, "msr 0x%x", (uint32_t)id) < room;
}

/* "msr 0xc0000102", "msr_0xc0000102", or in decimal. */
static bool msr_parse(const char *name, uint64_t *id)
{
	uint32_t index;

	if (strncmp(name, "msr", 3) || (name[3] != ' ' && name[3] != '_') || name[4] < '0' || name[4] > '9' ||
	    anykvm_value_parse(name + 4, &index, sizeof index))
		return false;
	*id = KVM_X86_REG_MSR(index);
	return true;
}

static const char *msr_wrong(uint64_t id)
{
	return (id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64 ? NULL : "MSRs have 64 bits";
}

/* ---- Sets. ---- */

#define TYPE_MASK (KVM_REG_ARCH_MASK | UINT64_C(0x000fffff00000000))
#define SET(type, title, rows) KVM_REG_X86 | (uint64_t)(type) << 32, TYPE_MASK, title, ROWS(rows)

static const struct reg_set sets[] = {
	{ SET(ANYKVM_X86_TYPE_GENERAL, "general register", general) },
	{ SET(ANYKVM_X86_TYPE_SEGMENT, "segment", segments), .describe = segment_describe },
	{ SET(ANYKVM_X86_TYPE_CONTROL, "control register", controls), .describe = index_describe },
	{ SET(ANYKVM_X86_TYPE_DEBUG, "debug register", debugs) },
	{ SET(ANYKVM_X86_TYPE_XCR, "extended control register", xcrs) },
	{ SET(ANYKVM_X86_TYPE_X87, "x87 register", x87) },
	{ SET(ANYKVM_X86_TYPE_VECTOR, "vector register", vectors), .describe = vector_describe },
	{ SET(ANYKVM_X86_TYPE_XSAVE, "XSAVE register", xsave) },
	{ SET(ANYKVM_X86_TYPE_EVENTS, "event field", events) },
	{ SET(ANYKVM_X86_TYPE_VCPU, "vCPU property", vcpu) },
	{ SET(KVM_X86_REG_TYPE_KVM, "KVM-defined register", kvm) },
	{ KVM_REG_X86 | (uint64_t)KVM_X86_REG_TYPE_MSR << 32, TYPE_MASK, "MSR", ROWS(msrs), .describe = index_describe, .name = msr_name,
	  .parse = msr_parse, .wrong = msr_wrong, .prefixes = "msr_ia32_ msr_ ia32_" },
};

static const char *id_wrong(uint64_t id)
{
	return id & UINT64_C(0x000fff0000000000) ? "bits 51:40 must be zero" : "there is no such type (bits 39:32)";
}

const struct reg_arch reg_x86 = {
	.bits = KVM_REG_X86,
	.name = "x86",
	.machines = "x86_64 x86-64 amd64 i386 i486 i586 i686",
	.sets = sets,
	.count = sizeof sets / sizeof sets[0],
	.wrong = id_wrong,
};
