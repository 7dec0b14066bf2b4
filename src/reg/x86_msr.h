/*
 * Names of x86's MSRs, for x86.c alone. The manuals' names in lower case without IA32_ or MSR_, which the parser accepts before each of them;
 * where that is the name of another register too (efer), msr_ stands before it.
 *
 * From: Intel SDM Vol. 4 (chapter 2), AMD APM Vol. 2 (appendix A) and PPRs, Hyper-V TLFS, the kernel's Documentation/virt/kvm/x86/msr.rst.
 */
#ifndef ANYKVM_REG_X86_MSR_H
#define ANYKVM_REG_X86_MSR_H

#include "reg/table.h"

#define MSR(index_, name_, alias_) { .index = index_, .size = BITS64, .name = name_, .alias = alias_ }
#define MSRS(index_, count_, step_, first_, name_, alias_)                                                                                 \
	{ .index = index_, .count = count_, .step = step_, .first = first_, .size = BITS64, .name = name_, .alias = alias_ }

static const struct reg_row msrs[] = {
	MSR(0x10, "tsc", "time_stamp_counter"),
	MSR(0x1b, "msr_apic_base", "ia32_apic_base msr_ia32_apic_base apicbase"),
	MSR(0xc0000080, "msr_efer", "ia32_efer msr_ia32_efer"),
	MSR(0xc0000081, "star", NULL),
	MSR(0xc0000082, "lstar", NULL),
	MSR(0xc0000102, "kernel_gs_base", NULL),
};

#endif
