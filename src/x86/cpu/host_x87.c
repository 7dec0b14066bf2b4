/*
 * The stubs of host_x87.h: every x87 instruction, each followed by a return.
 */
#include "x86/cpu/host_x87.h"

asm(".pushsection .text\n\t"
    ".balign 16\n\t"
    ".globl host_x87_register_stubs\n\t"
    ".hidden host_x87_register_stubs\n"
    "host_x87_register_stubs:\n\t"
    ".set opcode, 0xd8\n\t"
    ".rept 8\n\t"
    ".set modrm, 0xc0\n\t"
    ".rept 64\n\t"
    ".byte opcode, modrm, 0xc3, 0xcc\n\t" /* instruction, ret, int3 */
    ".set modrm, modrm + 1\n\t"
    ".endr\n\t"
    ".set opcode, opcode + 1\n\t"
    ".endr\n\t"
    ".globl host_x87_memory_stubs\n\t"
    ".hidden host_x87_memory_stubs\n"
    "host_x87_memory_stubs:\n\t"
    ".set opcode, 0xd8\n\t"
    ".rept 8\n\t"
    ".set modrm, 0x02\n\t" /* (%rdx) */
    ".rept 8\n\t"
    ".byte opcode, modrm, 0xc3, 0xcc\n\t"
    ".set modrm, modrm + 8\n\t"
    ".endr\n\t"
    ".set opcode, opcode + 1\n\t"
    ".endr\n\t"
    ".popsection");
