/*
 * What guest code that checks itself is written with: it lies at CODE_BASE, tells failed checks by line through a port, and catches
 * faults where it says so. For assembler files of tests/guest only.
 */
#ifndef ANYKVM_TESTS_SYSTEM_CODE_H
#define ANYKVM_TESTS_SYSTEM_CODE_H

#define CODE_BASE 0x9000 /* below 64 KiB: the same addresses in all modes */
#define CODE_TABLES 0x10000 /* the host's: page tables that map all memory to itself */

#define PORT_FAILED 0xe1 /* the line of a failed check, then the value found */
#define PORT_DONE 0xe2   /* the end: the number that the scenario names */
#define PORT_DATA 0xe3   /* reads 0xa0, 0xa1...; what is written must count likewise, from 0 */

#ifdef __ASSEMBLER__

#define A(label) ((label) - code_begin + CODE_BASE)

/* Compares; `reg` is a register or memory operand of the given suffix. Destroys flags, and EAX when it fails. */
#define CHECK(suffix, value, reg)      \
	cmp##suffix $(value), reg;     \
	je 77f;                        \
	pushf;                         \
	mov $__LINE__, %eax;           \
	out %eax, $PORT_FAILED;        \
	popf;                          \
77:

/* The instructions must fault with that vector and error code (0 for none); afterwards all is as at the beginning, at level 0. */
#define FAULT32(vector, code, ...)             \
	movl $A(78f), A(resume);               \
	mov %esp, A(resume_esp);               \
	movl $-1, A(got_vector);               \
	__VA_ARGS__;                           \
78:	CHECK(l, vector, A(got_vector))        \
	CHECK(l, code, A(got_code))

/* The same in 64-bit mode. */
#define FAULT64(vector, code, ...)             \
	movq $A(78f), A(resume64);             \
	mov %rsp, A(resume_rsp);               \
	movl $-1, A(got_vector);               \
	__VA_ARGS__;                           \
78:	CHECK(l, vector, A(got_vector))        \
	CHECK(l, code, A(got_code))

#endif

#endif
