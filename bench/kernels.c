/*
 * The pieces of guest code whose speed is measured; see kernels.h. All but one are written out below with their
 * instructions counted by hand (`guest_rate check` counts them again, by single steps of the processor); "irregular" is
 * generated. It must never know what runs them.
 */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Written kernels: RDI is the data, RSI the number of rounds, the result goes to RAX --------------------------- */

extern const uint8_t kernel_integer[], kernel_memory[], kernel_calls[], kernel_indirect[], kernel_muldiv[];
extern const uint8_t kernel_sse_float[], kernel_sse_integer[], kernels_end[];

__asm__(
	".pushsection .rodata\n"
	".code64\n"

	/* A tight loop of one-cycle operations: 6 a round, 3 around it. */
	"kernel_integer:\n"
	"	xorl	%eax, %eax\n"
	"	movl	$1, %ecx\n"
	"1:	addq	%rcx, %rax\n"
	"	xorq	%rsi, %rcx\n"
	"	rolq	$7, %rcx\n"
	"	leaq	3(%rcx, %rax), %rcx\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	ret\n"

	/* Loads, stores and a read-modify-write through 1 MiB: 9 a round, 3 around it. */
	"kernel_memory:\n"
	"	xorl	%eax, %eax\n"
	"	xorl	%ecx, %ecx\n"
	"1:	movq	(%rdi, %rcx), %rdx\n"
	"	addq	%rdx, %rax\n"
	"	movq	%rax, (%rdi, %rcx)\n"
	"	movzbl	3(%rdi, %rcx), %edx\n"
	"	addl	%edx, 4(%rdi, %rcx)\n"
	"	addq	$72, %rcx\n"
	"	andl	$0xffff8, %ecx\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	ret\n"

	/*
	 * Calls and returns: the 15th Fibonacci number by recursion. A leaf is 4 instructions, an inner call 12;
	 * a round has 5 more, and there are 5 around them.
	 */
	"kernel_calls:\n"
	"	pushq	%rbx\n"
	"	xorl	%ebx, %ebx\n"
	"1:	movl	$15, %edi\n"
	"	call	2f\n"
	"	addq	%rax, %rbx\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	movq	%rbx, %rax\n"
	"	popq	%rbx\n"
	"	ret\n"
	"2:	cmpl	$2, %edi\n"
	"	jb	3f\n"
	"	pushq	%rdi\n"
	"	decl	%edi\n"
	"	call	2b\n"
	"	popq	%rdi\n"
	"	pushq	%rax\n"
	"	subl	$2, %edi\n"
	"	call	2b\n"
	"	popq	%rdx\n"
	"	addq	%rdx, %rax\n"
	"	ret\n"
	"3:	movl	%edi, %eax\n"
	"	ret\n"

	/* Jumps through a register to one of eight targets, as an interpreter does: 11 a round, 4 around it. */
	"kernel_indirect:\n"
	"	movl	$1, %eax\n"
	"	leaq	2f(%rip), %r8\n"
	"	movl	$0x5851f42d, %r9d\n"
	"1:	imulq	%r9, %rax\n"
	"	addq	$12345, %rax\n"
	"	movq	%rax, %rcx\n"
	"	shrq	$61, %rcx\n"
	"	shll	$4, %ecx\n"
	"	addq	%r8, %rcx\n"
	"	jmp	*%rcx\n"
	"3:	decq	%rsi\n"
	"	jnz	1b\n"
	"	ret\n"
	"	.balign	16\n"
	"2:	addq	$1, %rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	xorq	$2, %rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	subq	$3, %rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	rolq	$4, %rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	notq	%rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	orq	$5, %rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	bswapq	%rax\n"
	"	jmp	3b\n"
	"	.balign	16\n"
	"	rorq	$8, %rax\n"
	"	jmp	3b\n"

	/* Multiplications and divisions of 32 and 64 bits: 16 a round, 5 around it. */
	"kernel_muldiv:\n"
	"	movl	$1, %r8d\n"
	"	movl	$0x5851f42d, %r9d\n"
	"	movl	$10007, %r10d\n"
	"1:	leaq	(%r8, %rsi), %rax\n"
	"	mulq	%r9\n"
	"	xorq	%rdx, %r8\n"
	"	imulq	$1103515245, %rax, %rcx\n"
	"	addq	%rcx, %r8\n"
	"	movq	%r8, %rax\n"
	"	xorl	%edx, %edx\n"
	"	divq	%r9\n"
	"	addq	%rdx, %r8\n"
	"	movl	%r8d, %eax\n"
	"	cltd\n"
	"	idivl	%r10d\n"
	"	imulq	%rax, %r8\n"
	"	addq	$1, %r8\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	movq	%r8, %rax\n"
	"	ret\n"

	/* Packed single and double precision: 19 a round, 14 around it. */
	"kernel_sse_float:\n"
	"	xorl	%ecx, %ecx\n"
	"	movl	$0x30000000, %eax\n" /* 2^-31 */
	"	movd	%eax, %xmm6\n"
	"	shufps	$0, %xmm6, %xmm6\n"
	"	movl	$0x3f000000, %eax\n" /* 0.5 */
	"	movd	%eax, %xmm7\n"
	"	shufps	$0, %xmm7, %xmm7\n"
	"	movaps	%xmm7, %xmm1\n"
	"	cvtps2pd	%xmm7, %xmm5\n"
	"	movapd	%xmm5, %xmm3\n"
	"1:	movups	(%rdi, %rcx), %xmm0\n"
	"	cvtdq2ps	%xmm0, %xmm0\n"
	"	mulps	%xmm6, %xmm0\n"
	"	mulps	%xmm7, %xmm1\n"
	"	addps	%xmm0, %xmm1\n"
	"	movaps	%xmm1, %xmm2\n"
	"	maxps	%xmm7, %xmm2\n"
	"	sqrtps	%xmm2, %xmm2\n"
	"	shufps	$0x1b, %xmm2, %xmm2\n"
	"	subps	%xmm2, %xmm0\n"
	"	cvtps2pd	%xmm0, %xmm4\n"
	"	mulpd	%xmm5, %xmm3\n"
	"	addpd	%xmm4, %xmm3\n"
	"	divps	%xmm2, %xmm0\n"
	"	movups	%xmm0, (%rdi, %rcx)\n"
	"	addl	$16, %ecx\n"
	"	andl	$0xffff0, %ecx\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	movq	%xmm1, %rax\n"
	"	movq	%xmm3, %rdx\n"
	"	xorq	%rdx, %rax\n"
	"	ret\n"

	/* Packed integers, SSE2 to SSE4.1: 20 a round, 10 around it. */
	"kernel_sse_integer:\n"
	"	xorl	%ecx, %ecx\n"
	"	xorl	%eax, %eax\n"
	"	movl	$0x03010200, %edx\n"
	"	movd	%edx, %xmm7\n"
	"	pshufd	$0, %xmm7, %xmm7\n"
	"	pxor	%xmm1, %xmm1\n"
	"	pcmpeqd	%xmm2, %xmm2\n"
	"1:	movdqu	(%rdi, %rcx), %xmm0\n"
	"	paddd	%xmm0, %xmm1\n"
	"	pmulld	%xmm1, %xmm0\n"
	"	movdqa	%xmm0, %xmm3\n"
	"	psrld	$5, %xmm3\n"
	"	pxor	%xmm3, %xmm2\n"
	"	pshufb	%xmm7, %xmm3\n"
	"	punpckldq	%xmm0, %xmm3\n"
	"	paddq	%xmm3, %xmm1\n"
	"	pcmpgtd	%xmm2, %xmm0\n"
	"	pblendw	$0x55, %xmm1, %xmm2\n"
	"	pminud	%xmm3, %xmm2\n"
	"	pmovmskb	%xmm0, %edx\n"
	"	popcnt	%edx, %edx\n"
	"	addq	%rdx, %rax\n"
	"	movdqu	%xmm2, (%rdi, %rcx)\n"
	"	addl	$16, %ecx\n"
	"	andl	$0xffff0, %ecx\n"
	"	decq	%rsi\n"
	"	jnz	1b\n"
	"	movq	%xmm1, %rdx\n"
	"	xorq	%rdx, %rax\n"
	"	ret\n"
	"kernels_end:\n"
	".popsection\n");

static uint64_t fibonacci_instructions(unsigned n)
{
	return n < 2 ? 4 : 12 + fibonacci_instructions(n - 1) + fibonacci_instructions(n - 2);
}

/* ---- The generated kernel: 3,000 basic blocks, with jumps that depend on data -------------------------------------- */

enum {
	BLOCKS = 3000,
	BLOCK_ROOM = 128, /* bytes at most */
	IRREGULAR_ROOM = (BLOCKS + 2) * BLOCK_ROOM,

	RAX = 0, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11,

	RANDOM = R8, /* changes its value all the time, in the guest */
	SCRATCH = RBX,
	COUNTER = RBP, /* in the counted twin: how many instructions the kernel without it executes */
};

/* What blocks compute on. */
static const uint8_t values[] = { RAX, RCX, RDX, R9, R10, R11 };

struct generator {
	uint8_t *code, *at;
	uint64_t seed;
	int counted;
	uint8_t *count_here; /* the counter's instruction in this block; its number is known when the block ends */
	unsigned block_instructions;
	size_t block_start[BLOCKS + 1]; /* the last one is the end of a round */
	struct jump {
		size_t displacement_at;
		unsigned target;
	} jumps[BLOCKS + 1]; /* each block has one at most, and the end of a round has one */
	unsigned jump_count;
};

/* The same numbers on every machine (xorshift64). */
static unsigned pick(struct generator *g, unsigned below)
{
	g->seed ^= g->seed << 13;
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return (g->seed >> 33) % below;
}

static unsigned pick_value(struct generator *g)
{
	return values[pick(g, sizeof(values))];
}

static void emit(struct generator *g, const void *bytes, size_t size)
{
	memcpy(g->at, bytes, size);
	g->at += size;
}

static void emit_byte(struct generator *g, unsigned byte)
{
	*g->at++ = byte;
}

static void emit_32(struct generator *g, uint32_t number)
{
	emit(g, &number, sizeof(number));
}

/* REX.W opcode /r with two registers: reg and rm. */
static void emit_registers(struct generator *g, unsigned opcode, unsigned reg, unsigned rm)
{
	emit_byte(g, 0x48 | (reg >> 3) << 2 | rm >> 3);
	if (opcode > 0xff)
		emit_byte(g, opcode >> 8);
	emit_byte(g, opcode);
	emit_byte(g, 0xc0 | (reg & 7) << 3 | (rm & 7));
	g->block_instructions++;
}

/* REX.W opcode /r with memory at RDI + SCRATCH. */
static void emit_memory(struct generator *g, unsigned opcode, unsigned reg)
{
	emit_byte(g, 0x48 | (reg >> 3) << 2);
	if (opcode > 0xff)
		emit_byte(g, opcode >> 8);
	emit_byte(g, opcode);
	emit_byte(g, 0x04 | (reg & 7) << 3);
	emit_byte(g, SCRATCH << 3 | RDI);
	g->block_instructions++;
}

/* SCRATCH = an offset within 64 KiB of the data that depends on a value. */
static void emit_address(struct generator *g)
{
	emit_registers(g, 0x89, pick_value(g), SCRATCH); /* mov */
	emit_byte(g, 0x81); /* and $0xfff8, %ebx */
	emit_byte(g, 0xe0 | SCRATCH);
	emit_32(g, 0xfff8);
	g->block_instructions++;
}

/* RANDOM = RANDOM * 0x5851f42d + 12345: two instructions. */
static void emit_random_step(struct generator *g)
{
	emit_registers(g, 0x69, RANDOM, RANDOM); /* imul */
	emit_32(g, 0x5851f42d);
	emit_registers(g, 0x81, 0, RANDOM); /* add */
	emit_32(g, 12345);
}

static void emit_operation(struct generator *g)
{
	static const uint16_t two_registers[] = { 0x01, 0x29, 0x31, 0x89, 0x0faf }; /* add, sub, xor, mov, imul */
	static const uint16_t loads[] = { 0x03, 0x33, 0x8b, 0x0fb6, 0x63 }; /* add, xor, mov, movzbq, movslq */
	static const uint8_t shifts[] = { 0, 1, 5 }; /* rol, ror, shr */
	unsigned kind = pick(g, 16);

	if (kind < 6) {
		emit_registers(g, two_registers[pick(g, 4)], pick_value(g), pick_value(g));
	} else if (kind < 7) {
		emit_registers(g, two_registers[4], pick_value(g), RANDOM);
	} else if (kind < 9) {
		emit_registers(g, 0xc1, shifts[pick(g, 3)], pick_value(g));
		emit_byte(g, 1 + pick(g, 30));
	} else if (kind < 11) {
		emit_registers(g, 0x81, pick(g, 2) ? 0 : 6, pick_value(g)); /* add or xor of a constant */
		emit_32(g, g->seed);
	} else if (kind < 12) {
		emit_registers(g, 0x31, RANDOM, pick_value(g)); /* xor: keeps values from dying out */
	} else if (kind < 14) {
		emit_address(g);
		emit_memory(g, loads[pick(g, 5)], pick_value(g));
	} else {
		emit_address(g);
		emit_memory(g, pick(g, 3) ? 0x89 : 0x01, pick_value(g)); /* mov or add, to memory */
	}
}

/* A jump whose displacement follows once all blocks have their places. */
static void emit_jump(struct generator *g, unsigned target)
{
	g->jumps[g->jump_count++] = (struct jump){ g->at - g->code, target };
	emit_32(g, 0);
	g->block_instructions++;
}

static void emit_conditional(struct generator *g, unsigned condition, unsigned target)
{
	emit_byte(g, 0x0f);
	emit_byte(g, 0x80 | condition);
	emit_jump(g, target);
}

/* Some block further on, or the end of the round. */
static unsigned pick_target(struct generator *g, unsigned block)
{
	unsigned target = block + 2 + pick(g, 24);

	return target < BLOCKS ? target : BLOCKS;
}

/*
 * How a block ends: a jump that always goes, one that goes half of the time, one that seldom or mostly goes, or one whose
 * frequency depends on what the guest has computed. Not taken, it falls into the next block.
 */
static void emit_block_end(struct generator *g, unsigned block)
{
	enum { ZERO = 4, SIGN = 8 };
	static const uint8_t after_comparison[] = { 2, 4, 7, 12, 13, 15 }; /* b, e, a, l, ge, g */
	unsigned target = pick_target(g, block), kind = pick(g, 10);

	if (kind < 1) {
		emit_byte(g, 0xe9);
		emit_jump(g, target);
	} else if (kind < 3) {
		emit_random_step(g);
		emit_registers(g, 0x85, RANDOM, RANDOM); /* test */
		emit_conditional(g, SIGN, target);
	} else if (kind < 6) {
		emit_random_step(g);
		emit_registers(g, 0x89, RANDOM, SCRATCH); /* mov */
		emit_registers(g, 0xc1, 5, SCRATCH); /* shr: zero once in 8 or 16 times */
		emit_byte(g, 60 + pick(g, 2));
		emit_conditional(g, ZERO | pick(g, 2), target);
	} else {
		emit_registers(g, 0x39, pick_value(g), pick_value(g)); /* cmp */
		emit_conditional(g, after_comparison[pick(g, sizeof(after_comparison))], target);
	}
}

/* lea number(%rbp), %rbp: counts, and leaves the flags alone. */
static void count_begin(struct generator *g)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0xad };

	g->block_instructions = 0;
	if (!g->counted)
		return;
	emit(g, lea, sizeof(lea));
	g->count_here = g->at;
	emit_32(g, 0);
}

static void count_end(struct generator *g)
{
	uint32_t instructions = g->block_instructions;

	if (g->counted)
		memcpy(g->count_here, &instructions, sizeof(instructions));
}

static void emit_block(struct generator *g, unsigned block)
{
	g->block_start[block] = g->at - g->code;
	count_begin(g);
	for (unsigned operations = 1 + pick(g, 6); operations; operations--)
		emit_operation(g);
	emit_block_end(g, block);
	count_end(g);
}

/* push %rbx; push %rbp; first values: 9 instructions. */
static void emit_prologue(struct generator *g)
{
	emit_byte(g, 0x50 + RBX);
	emit_byte(g, 0x50 + RBP);
	emit_registers(g, 0x31, COUNTER, COUNTER);
	emit_registers(g, 0x89, RSI, RANDOM);
	for (size_t i = 0; i < sizeof(values); i++) {
		emit_registers(g, 0xc7, 0, values[i]); /* mov $constant */
		emit_32(g, 0x9e3779b9 * (i + 1));
	}
}

/* The end of a round: dec %rsi; jnz to the first block; then the result, and back. */
static void emit_epilogue(struct generator *g)
{
	g->block_start[BLOCKS] = g->at - g->code;
	count_begin(g);
	emit_registers(g, 0xff, 1, RSI);
	emit_conditional(g, 5, 0);
	count_end(g);
	if (g->counted)
		emit_registers(g, 0x89, COUNTER, RAX);
	else
		emit_registers(g, 0x01, RANDOM, RAX);
	emit_byte(g, 0x58 + RBP);
	emit_byte(g, 0x58 + RBX);
	emit_byte(g, 0xc3);
}

static void jumps_resolve(struct generator *g)
{
	for (unsigned i = 0; i < g->jump_count; i++) {
		const struct jump *jump = &g->jumps[i];
		int32_t displacement = g->block_start[jump->target] - (jump->displacement_at + 4);

		memcpy(g->code + jump->displacement_at, &displacement, sizeof(displacement));
	}
}

static const uint8_t *irregular_make(int counted, size_t *size)
{
	struct generator *g = calloc(1, sizeof(*g));

	if (!g || !(g->code = malloc(IRREGULAR_ROOM))) {
		perror("bench: malloc");
		exit(1);
	}
	const uint8_t *code = g->at = g->code;

	g->seed = 0x2545f4914f6cdd1d;
	g->counted = counted;
	emit_prologue(g);
	for (unsigned block = 0; block < BLOCKS; block++)
		emit_block(g, block);
	emit_epilogue(g);
	jumps_resolve(g);
	*size = g->at - g->code;
	free(g);
	return code;
}

/* ---- All of them ---------------------------------------------------------------------------------------------------- */

void kernels_make(struct kernel kernels[KERNELS])
{
	const uint64_t fibonacci = fibonacci_instructions(15) + 5;
	const struct kernel written[] = {
		{ "integer", kernel_integer, kernel_memory - kernel_integer, 3, 6 },
		{ "memory", kernel_memory, kernel_calls - kernel_memory, 3, 9 },
		{ "calls", kernel_calls, kernel_indirect - kernel_calls, 5, fibonacci },
		{ "indirect", kernel_indirect, kernel_muldiv - kernel_indirect, 4, 11 },
		{ "muldiv", kernel_muldiv, kernel_sse_float - kernel_muldiv, 5, 16 },
		{ "sse_float", kernel_sse_float, kernel_sse_integer - kernel_sse_float, 14, 19 },
		{ "sse_integer", kernel_sse_integer, kernels_end - kernel_sse_integer, 10, 20 },
	};
	struct kernel *irregular = &kernels[KERNELS - 1];

	memcpy(kernels, written, sizeof(written));
	*irregular = (struct kernel){ .name = "irregular", .fixed = 14, .per_round = 2000 };
	irregular->code = irregular_make(0, &irregular->size);
	irregular->counted = irregular_make(1, &irregular->counted_size);
}
