/*
 * The wall clock in shared_info.
 */
#ifndef ANYKVM_X86_XEN_HVM_H
#define ANYKVM_X86_XEN_HVM_H

#include "x86/xen/xen.h"

/* Where the guest's mode wants it. The lock is held and the memory entered; 0 or -EFAULT. */
int xen_wall_clock_write(struct x86_vm *vm);

#endif
