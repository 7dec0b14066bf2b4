/*
 * Port I/O, MSRs and hypercalls that the program answers: what the next KVM_RUN does with the answer.
 */
#ifndef ANYKVM_X86_CPU_IO_H
#define ANYKVM_X86_CPU_IO_H

#include "x86/vcpu.h"

/* Finishes the IN, OUT, INS or OUTS that cpu->pio describes. May raise an exception (cpu->stop). */
void io_complete(struct x86_vcpu *cpu);
/* Finishes the RDMSR or WRMSR of a KVM_EXIT_X86_RDMSR or _WRMSR. */
void msr_exit_complete(struct x86_vcpu *cpu, bool write);
void hypercall_complete(struct x86_vcpu *cpu);
void xen_hypercall_complete(struct x86_vcpu *cpu);

#endif
