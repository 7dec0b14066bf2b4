/*
 * The A64 code whose speed is measured, and what starts it on a bare machine: one image for a KVM guest (anykvm's or the hardware's) and for QEMU's
 * TCG, whose kernels qemu-aarch64 runs too, as functions of a program (arm64_user.c). It must never know which.
 *
 * A bare guest is entered here at EL1 with nothing switched on, in memory from 0x40000000 on, with a PL011 at 0x09000000 (or what takes
 * bytes for one). It says R there, and then of each kernel B, E, its result and how many instructions its counted twin counted (listener.h);
 * PSCI's SYSTEM_OFF ends it.
 *
 * A kernel is called as uint64_t kernel(void *data, uint64_t rounds) with data at 1 MiB (and 64 bytes) of known numbers. It uses what the
 * procedure call standard lets it.
 */
	.arch armv8.5-a+sve
	.altmacro

	.equ UART, 0x09000000
	.equ STACK, 0x40300000		/* downwards */
	.equ DATA, 0x40400000
	.equ DATA_SIZE, 1 << 20

	.text
image:	b boot
	.balign 8
	.quad data_fill - image

	/* As arm64_image.h has them; the rounds are filled in later. */
	.macro KERNEL name, fixed, per_round, counted=image
	.asciz "\name"
	.balign 16
	.quad \name - image, \counted - image, \fixed, \per_round, 0, 0
	.endm
rows:	KERNEL integer, 4, 7
	KERNEL memory, 4, 15
	KERNEL calls, 8, FIBONACCI_15+5
	KERNEL indirect, 7, 8
	KERNEL muldiv, 7, 15
	KERNEL scalar_float, 10, 18
	KERNEL simd_integer, 7, 19
	KERNEL simd_float, 9, 17
	KERNEL sve, 9, 19
	KERNEL irregular, 14, 3100, irregular_counted
	.balign 16
	.quad 0				/* the end: no name */

	/* ---- The machine. ---- */

	.macro SAY register
	strb \register, [x28]
	.endm
boot:	adr x1, vectors
	msr vbar_el1, x1
	ldr x1, =STACK
	mov sp, x1
	ldr x28, =UART
	mov x1, #3 << 20 | 3 << 16	/* CPACR_EL1: neither FP nor SVE traps */
	msr cpacr_el1, x1
	isb
	mov x1, #1			/* ZCR_EL1: vectors of 256 bits */
	msr zcr_el1, x1
	mov x1, #0xff			/* MAIR_EL1: 0 normal, write-back; 1 device */
	msr mair_el1, x1
	ldr x1, =25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23	/* TCR_EL1: 39 bits, 4 KiB, write-back, inner shareable; no TTBR1_EL1 */
	msr tcr_el1, x1
	adr x1, tables
	msr ttbr0_el1, x1
	isb
	mrs x1, sctlr_el1
	ldr x2, =1 << 12 | 1 << 2 | 1	/* I, C, M */
	orr x1, x1, x2
	msr sctlr_el1, x1
	isb
	mov w1, #'R'
	SAY w1

	adr x20, rows
1:	ldr x1, [x20]
	cbz x1, leave
	ldr x21, [x20, #16]
	adr x22, image
	add x21, x22, x21
	ldr x0, =DATA
	bl data_fill
	mov w1, #'B'
	SAY w1
	ldr x0, =DATA
	ldr x1, [x20, #48]
	blr x21
	mov w1, #'E'
	SAY w1
	bl say_number
	ldr x21, [x20, #24]
	mov x0, #0
	cbz x21, 2f
	add x21, x22, x21
	ldr x0, =DATA
	bl data_fill
	ldr x0, =DATA
	ldr x1, [x20, #48]
	blr x21
2:	bl say_number
	add x20, x20, #64
	b 1b

say_number:
	mov x1, #8
1:	SAY w0
	lsr x0, x0, #8
	subs x1, x1, #1
	b.ne 1b
	ret

leave:	ldr w0, =0x84000008		/* SYSTEM_OFF */
	hvc #0
	b .

data_fill:				/* of x0 */
	add x1, x0, #DATA_SIZE
	mov x2, #1
	ldr w3, =0x5851f42d
	mov x4, #12345
1:	madd x2, x2, x3, x4
	str x2, [x0], #8
	cmp x0, x1
	b.ne 1b
	ret
	.ltorg

	.balign 2048
vectors:				/* an exception is none of its business: it says so, and stops */
	.rept 16
	mov w1, #'X'
	SAY w1
	b leave
	.balign 128
	.endr

	.balign 4096
tables:	.quad 0x0060000000000405	/* 1 GiB of devices */
	.quad 0x0000000040000701	/* 1 GiB of memory: normal, inner shareable, accessed */
	.balign 4096

	/* ---- Kernels: x0 is the data, x1 the number of rounds. ---- */

	/* One-cycle operations: 7 a round, 4 around it. */
integer:
	mov x2, #0
	mov x3, #1
1:	add x2, x2, x3
	eor x3, x3, x1
	ror x3, x3, #57
	add x4, x2, #3
	add x3, x3, x4
	subs x1, x1, #1
	b.ne 1b
	mov x0, x2
	ret

	/* Loads and stores of all sizes through 1 MiB: 15 a round, 4 around it. */
memory:
	mov x2, #0
	mov x3, #0
1:	ldr x4, [x0, x3]
	add x2, x2, x4
	str x2, [x0, x3]
	add x5, x0, x3
	ldrb w6, [x5, #3]
	ldr w7, [x5, #4]
	add w7, w7, w6
	str w7, [x5, #4]
	ldp x6, x7, [x5]
	eor x6, x6, x7
	strh w6, [x5, #8]
	add x3, x3, #80
	and x3, x3, #0xffff0
	subs x1, x1, #1
	b.ne 1b
	mov x0, x2
	ret

	/* The 15th Fibonacci number by recursion: a leaf is 3 instructions, an inner call 14; a round has 5 more, and there are 8 around them. */
	.set FIBONACCI_0, 3
	.set FIBONACCI_1, 3
	.macro FIBONACCI n, one, two
	.set FIBONACCI_\n, 14 + FIBONACCI_\one + FIBONACCI_\two
	.endm
	.set n, 2
	.rept 14
	FIBONACCI %n, %n-1, %n-2
	.set n, n + 1
	.endr
calls:
	stp x29, x30, [sp, #-32]!
	stp x19, x20, [sp, #16]
	mov x19, x1
	mov x20, #0
1:	mov w0, #15
	bl 2f
	add x20, x20, x0
	subs x19, x19, #1
	b.ne 1b
	mov x0, x20
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
2:	cmp w0, #2
	b.lo 3f
	stp x19, x30, [sp, #-32]!
	str x20, [sp, #16]
	mov w19, w0
	sub w0, w0, #1
	bl 2b
	mov x20, x0
	sub w0, w19, #2
	bl 2b
	add x0, x0, x20
	ldr x20, [sp, #16]
	ldp x19, x30, [sp], #32
3:	ret

	/* Jumps through a register to one of eight places, as an interpreter's: 8 a round, 7 around it. */
indirect:
	mov x2, #1
	adr x3, 2f
	mov x4, #0xf42d
	movk x4, #0x5851, lsl #16
	mov x5, #12345
1:	madd x2, x2, x4, x5
	lsr x6, x2, #61
	add x6, x3, x6, lsl #3
	br x6
2:	add x2, x2, #1
	b 3f
	eor x2, x2, #2
	b 3f
	sub x2, x2, #3
	b 3f
	ror x2, x2, #4
	b 3f
	mvn x2, x2
	b 3f
	orr x2, x2, #6
	b 3f
	rev x2, x2
	b 3f
	ror x2, x2, #8
	b 3f
3:	subs x1, x1, #1
	b.ne 1b
	mov x0, x2
	ret

	/* Multiplications and divisions of 32 and 64 bits: 15 a round, 7 around it. */
muldiv:
	mov x2, #1
	mov x3, #0xf42d
	movk x3, #0x5851, lsl #16
	mov w4, #10007
	mov x5, #12345
1:	add x6, x2, x1
	umulh x7, x6, x3
	eor x2, x2, x7
	madd x2, x6, x3, x2
	udiv x6, x2, x3
	msub x7, x6, x3, x2
	add x2, x2, x7
	sdiv w6, w2, w4
	msub w7, w6, w4, w2
	smaddl x2, w7, w6, x2
	umull x6, w2, w3
	mul x2, x2, x5
	add x2, x2, x6
	subs x1, x1, #1
	b.ne 1b
	mov x0, x2
	ret

	/* Scalar single and double precision: 18 a round, 10 around it. */
scalar_float:
	mov x2, #0
	fmov d1, #1.0
	fmov d2, #0.5
	fmov d3, #1.0
	fmov s6, #0.5
	fmov s7, #0.5
1:	ldr w3, [x0, x2]
	scvtf d0, w3, #31
	fmadd d1, d1, d2, d0
	fabs d4, d1
	fadd d4, d4, d3
	fsqrt d5, d4
	fdiv d0, d0, d5
	fcmp d0, d3
	fcsel d0, d3, d0, gt
	fsub d1, d1, d0
	fcvt s5, d0
	fmul s6, s6, s7
	fadd s6, s6, s5
	str s6, [x0, x2]
	add x2, x2, #8
	and x2, x2, #0xffff8
	subs x1, x1, #1
	b.ne 1b
	fmov x2, d1
	fmov w3, s6
	eor x0, x2, x3
	ret

	/* Advanced SIMD on integers: 19 a round, 7 around it. */
simd_integer:
	mov x2, #0
	movi v1.4s, #0
	movi v2.16b, #0xff
	movi v7.4s, #1, lsl #16
1:	ldr q0, [x0, x2]
	add v1.4s, v1.4s, v0.4s
	mul v3.4s, v0.4s, v1.4s
	ushr v4.4s, v3.4s, #5
	eor v2.16b, v2.16b, v4.16b
	tbl v4.16b, {v4.16b}, v7.16b
	zip1 v5.4s, v4.4s, v3.4s
	add v1.2d, v1.2d, v5.2d
	cmgt v6.4s, v2.4s, v3.4s
	bsl v6.16b, v1.16b, v2.16b
	umin v2.4s, v6.4s, v5.4s
	addv s5, v6.4s
	cnt v4.16b, v2.16b
	uaddw v1.8h, v1.8h, v4.8b
	str q2, [x0, x2]
	add x2, x2, #16
	and x2, x2, #0xffff0
	subs x1, x1, #1
	b.ne 1b
	eor v1.16b, v1.16b, v5.16b
	fmov x0, d1
	ret

	/* Advanced SIMD in single and double precision: 17 a round, 9 around it. */
simd_float:
	mov x2, #0
	fmov v7.4s, #0.5
	fmov v1.4s, #0.5
	fmov v3.2d, #0.5
	fmov v6.2d, #0.5
1:	ldr q0, [x0, x2]
	scvtf v0.4s, v0.4s, #31
	fmul v1.4s, v1.4s, v7.4s
	fadd v1.4s, v1.4s, v0.4s
	fmax v2.4s, v1.4s, v7.4s
	fsqrt v2.4s, v2.4s
	fsub v4.4s, v0.4s, v2.4s
	fmla v4.4s, v0.4s, v7.4s
	fcvtl v5.2d, v4.2s
	fmul v3.2d, v3.2d, v6.2d
	fadd v3.2d, v3.2d, v5.2d
	fdiv v4.4s, v4.4s, v2.4s
	str q4, [x0, x2]
	add x2, x2, #16
	and x2, x2, #0xffff0
	subs x1, x1, #1
	b.ne 1b
	fmov x2, d1
	fmov x3, d3
	eor x0, x2, x3
	ret

	/* SVE in vectors of 256 bits, integers and floats: 19 a round, 9 around it. */
sve:
	mov x2, #0
	mov x4, #DATA_SIZE / 4
	ptrue p1.s
	mov z1.s, #0
	fmov z7.s, #0.5
	fmov z6.s, #0.5
1:	whilelo p0.s, x2, x4
	ld1w z0.s, p0/z, [x0, x2, lsl #2]
	add z1.s, z1.s, z0.s
	mul z1.s, p0/m, z1.s, z0.s
	lsr z3.s, z0.s, #5
	eor z3.d, z3.d, z1.d
	cmpgt p2.s, p0/z, z3.s, z1.s
	sel z4.s, p2, z3.s, z0.s
	cntp x3, p0, p2.s
	scvtf z5.s, p0/m, z4.s
	fmul z6.s, p0/m, z6.s, z7.s
	fmla z6.s, p1/m, z5.s, z7.s
	fadd z5.s, z5.s, z6.s
	st1w z4.s, p0, [x0, x2, lsl #2]
	add z1.s, z1.s, #1
	incw x2
	and x2, x2, #0x3ffff
	subs x1, x1, #1
	b.ne 1b
	uaddv d2, p1, z1.s
	fmov x0, d2
	ret

	/* ---- 3,000 basic blocks, generated here, with branches that depend on data. ---- */

	.equ BLOCKS, 3000

	/* picked = 0 ... below - 1: the same numbers each time (a linear congruence). */
	.macro PICK below
	.set seed, (seed * 1103515245 + 12345) & 0x7fffffff
	.set picked, (seed >> 9) % (\below)
	.endm
	/* Registers: values x2 ... x7; x8 is random; x9 scratch; x10 counts. */
	.macro PICK_VALUE symbol
	PICK 6
	.set \symbol, 2 + picked
	.endm

	.macro THREE operation, d, n, m
	\operation x\d, x\n, x\m
	.set length, length + 1
	.endm
	.macro NUMBER operation, d, n, number
	\operation x\d, x\n, #\number
	.set length, length + 1
	.endm
	/* x9: an offset into 64 KiB of the data that depends on a value. */
	.macro ADDRESS n
	NUMBER and, 9, \n, 0xfff8
	.endm
	.macro ACCESS operation, width, d
	\operation \width\d, [x0, x9]
	.set length, length + 1
	.endm

	.macro OPERATION
	PICK_VALUE d
	PICK_VALUE n
	PICK_VALUE m
	PICK 16
	.set kind, picked
	PICK 24
	.if kind < 6
	.if picked < 6
	THREE add, %d, %n, %m
	.elseif picked < 12
	THREE sub, %d, %n, %m
	.elseif picked < 18
	THREE eor, %d, %n, %m
	.else
	NUMBER eor, %d, %n, 0xff0
	.endif
	.elseif kind < 7
	THREE mul, %d, %n, 8
	.elseif kind < 9
	.if picked < 16
	NUMBER ror, %d, %n, %picked+1
	.else
	NUMBER lsr, %d, %n, %picked+1
	.endif
	.elseif kind < 11
	NUMBER add, %d, %n, %(seed>>9)&0xfff
	.elseif kind < 12
	THREE eor, %d, %n, 8
	.elseif kind < 14
	ADDRESS %n
	.if picked < 10
	ACCESS ldr, x, %d
	.elseif picked < 14
	ACCESS ldr, w, %d
	.elseif picked < 18
	ACCESS ldrb, w, %d
	.elseif picked < 20
	ACCESS ldrh, w, %d
	.else
	ACCESS ldrsw, x, %d
	.endif
	.else
	ADDRESS %n
	.if picked < 16
	ACCESS str, x, %d
	.else
	ACCESS str, w, %d
	.endif
	.endif
	.endm

	.macro RANDOM_STEP
	madd x8, x8, x11, x12
	.endm
	/* The counted twin counts a block before its end, which is so long. */
	.macro COUNT twin, end
	.ifnb \twin
	NUMBER add, 10, 10, %length+\end
	.endif
	.endm
	.macro COMPARE n, m
	cmp x\n, x\m
	.endm

	/* How a block ends: always elsewhere; half of the time; seldom or mostly; or as often as what was computed says. Else in the next block. */
	.macro BLOCK_END twin, target
	PICK_VALUE n
	PICK_VALUE m
	PICK 10
	.set kind, picked
	PICK 6
	.if kind < 1
	COUNT \twin, 1
	b irregular\twin\()_\target
	.elseif kind < 3
	COUNT \twin, 2
	RANDOM_STEP
	tbnz x8, #63, irregular\twin\()_\target
	.elseif kind < 6
	COUNT \twin, 3
	RANDOM_STEP
	lsr x9, x8, #60
	.if picked < 3
	cbz x9, irregular\twin\()_\target
	.else
	cbnz x9, irregular\twin\()_\target
	.endif
	.else
	COUNT \twin, 2
	COMPARE %n, %m
	.if picked == 0
	b.lo irregular\twin\()_\target
	.elseif picked == 1
	b.eq irregular\twin\()_\target
	.elseif picked == 2
	b.hi irregular\twin\()_\target
	.elseif picked == 3
	b.lt irregular\twin\()_\target
	.elseif picked == 4
	b.ge irregular\twin\()_\target
	.else
	b.gt irregular\twin\()_\target
	.endif
	.endif
	.endm

	.macro BLOCK twin, number
irregular\twin\()_\number:
	.set length, 0
	PICK 6
	.rept picked + 1
	OPERATION
	.endr
	PICK 24
	.set aim, \number + 2 + picked
	.if aim > BLOCKS
	.set aim, BLOCKS
	.endif
	BLOCK_END \twin, %aim
	.endm

	.macro EPILOGUE twin, number
irregular\twin\()_\number:
	COUNT \twin, 2
	subs x1, x1, #1
	b.ne irregular\twin\()_0
	.ifb \twin
	add x0, x8, x2
	eor x0, x0, x3
	.else
	mov x0, x10
	.endif
	ret
	.endm
	.macro FIRST_VALUE register
	mov x\register, #(0x0e37 + 0x1234 * \register) << 16
	.endm

	/* 14 instructions around the rounds; a round has its blocks', and 2 more. */
	.macro IRREGULAR twin
irregular\twin:
	mov x8, x1
	mov x10, #0
	mov x11, #0xf42d
	movk x11, #0x5851, lsl #16
	mov x12, #12345
	.set n, 2
	.rept 6
	FIRST_VALUE %n
	.set n, n + 1
	.endr
	.set seed, 0x2545f491
	.set number, 0
	.rept BLOCKS
	BLOCK \twin, %number
	.set number, number + 1
	.endr
	.set length, 0
	EPILOGUE \twin, %BLOCKS
	.endm
	IRREGULAR
	IRREGULAR _counted
