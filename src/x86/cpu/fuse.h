/*
 * Pairs of instructions as one handler.
 */
#ifndef ANYKVM_X86_CPU_FUSE_H
#define ANYKVM_X86_CPU_FUSE_H

#include "x86/cpu/insn.h"

/* Gives the first of two instructions that often stand together a handler that runs both, throughout a block. */
void insns_fuse(struct insn *insns, unsigned int count);

#endif
