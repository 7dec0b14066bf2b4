/*
 * Bare guests of test_guest: X0 says which one. Each checks itself and tells the number of what was wrong by a store to FAIL; a store to DONE ends it.
 * Loaded and entered at 0x40000000, at EL1 without translation. X28 is FAIL's address.
 */
	.equ RAM, 0x40000000
	.equ FAIL, 0x09000000
	.equ TABLES, 0x40100000	/* L1, L2 of RAM's alias, L3 */
	.equ DATA, 0x40200000

	/* The exception that was taken last. */
	.macro EXPECT_EXCEPTION esr, number
	ldr x10, =\esr
	mov x11, #\number
	bl check_exception
	.endm
	.macro EXPECT register, value, number
	ldr x10, =\value
	mov x11, #\number
	mov x12, \register
	bl check
	.endm

	.text
	.globl _start
_start:
	ldr x28, =FAIL
	adr x1, vectors
	msr vbar_el1, x1
	ldr x1, =stack_top
	mov sp, x1
	adr x1, scenarios
	ldr w2, [x1, x0, lsl #2]
	add x1, x1, x2
	br x1
scenarios:
	.word translation - scenarios, levels - scenarios, timer - scenarios, power - scenarios, steps - scenarios, counting - scenarios
	.word sums - scenarios, pairs_mmio - scenarios, loads_mmio - scenarios, psci - scenarios, broadcast - scenarios

done:	str x0, [x28, #8]
	b .

	/* x12 = x10? else FAIL x11, with x12 behind it. */
check:	cmp x12, x10
	b.eq 1f
	str x11, [x28]
	str x12, [x28, #16]
1:	ret
	/* Handlers count in x20 and leave ESR in x21, FAR in x22, ELR in x23, SPSR in x24; check_exception forgets. */
check_exception:
	mov x12, x21
	mov x21, #-1
	b check

	.balign 2048
vectors:
	.macro VECTOR label
	.balign 128
	b \label
	.endm
	VECTOR sync
	VECTOR irq
	VECTOR bad
	VECTOR bad
	VECTOR sync
	VECTOR irq
	VECTOR bad
	VECTOR bad
	VECTOR sync_lower
	VECTOR irq
	VECTOR bad
	VECTOR bad
	VECTOR bad
	VECTOR bad
	VECTOR bad
	VECTOR bad
bad:	mov x11, #999
	str x11, [x28]
	b done
	/* Goes on behind the instruction; for fetches, at x30; x27 overrides. */
sync:	mrs x21, esr_el1
	mrs x22, far_el1
	mrs x23, elr_el1
	mrs x24, spsr_el1
	add x20, x20, #1
	add x25, x23, #4
	lsr x26, x21, #26
	sub x26, x26, #0x21
	cmp x26, #0
	ccmp x26, #1, #4, ne
	csel x25, x30, x25, eq
	cmn x26, #0x21 - 0x0e
	b.ne 1f
	mov x25, x23
	bic x26, x24, #0x100000
	msr spsr_el1, x26
1:	msr elr_el1, x25
	eret
	/* From EL0: back to EL1 at x27. */
sync_lower:
	mrs x21, esr_el1
	mrs x22, far_el1
	mrs x23, elr_el1
	mrs x24, spsr_el1
	add x20, x20, #1
	br x27
	/* The timer's: it is switched off. */
irq:	msr cntv_ctl_el0, xzr
	add x19, x19, #1
	mrs x24, spsr_el1
	eret

	/* Calls x9 at EL0; comes back with the exception that ended it. */
to_user:
	mov x27, x30
	msr elr_el1, x9
	mov x9, #0
	msr spsr_el1, x9
	eret

	/* ---- Tables: 39 bits, RAM and devices as they are; 0x80000000: pages with all kinds of rights. ---- */
	.equ NORMAL, 0x700	/* AF, inner shareable, AttrIndx 0 */
	.macro PAGE number, flags
	ldr x3, =(DATA + 0x1000 * \number) | \flags
	str x3, [x2, #8 * \number]
	.endm
tables:
	ldr x1, =TABLES
	ldr x3, =NORMAL | 1 | 4 << 52		/* devices: block of 1 GiB, UXN */
	str x3, [x1]
	ldr x3, =RAM | NORMAL | 1
	str x3, [x1, #8]
	ldr x3, =(TABLES + 0x1000) | 3
	str x3, [x1, #16]
	add x2, x1, #0x1000
	ldr x3, =(TABLES + 0x2000) | 3
	str x3, [x2]
	ldr x3, =RAM | NORMAL | 1 | 1 << 6 | 1 << 53	/* 0x80200000: block of 2 MiB for EL0 */
	str x3, [x2, #8]
	ldr x3, =(TABLES + 0x2000) | 3 | 1 << 62	/* 0x80400000: the same pages, read-only by the table */
	str x3, [x2, #16]
	ldr x3, =(TABLES + 0x2000) | 3 | 1 << 61	/* 0x80600000: not for EL0 */
	str x3, [x2, #24]
	add x2, x1, #0x2000
	PAGE 0, NORMAL | 3				/* EL1 alone */
	PAGE 1, NORMAL | 3 | 1 << 7			/* read-only */
	PAGE 2, NORMAL | 3 | 1 << 6			/* EL0 too */
	PAGE 3, (NORMAL & ~0x400) | 3			/* no access flag */
	PAGE 4, NORMAL | 2				/* not valid */
	PAGE 5, NORMAL | 3 | 1 << 53			/* PXN */
	PAGE 6, NORMAL | 3 | 1 << 7 | 1 << 51		/* clean */
	PAGE 7, NORMAL | 3 | 1 << 45			/* too far */
	PAGE 8, NORMAL | 3 | 1 << 7 | 1 << 6		/* read-only for both */
	PAGE 9, NORMAL | 3 | 1 << 6 | 1 << 54		/* UXN, writable by EL0 */
	mov x3, #0xff
	msr mair_el1, x3
	ldr x3, =25 | 25 << 16 | 1 << 23 | 2 << 32 | 2 << 30	/* T0SZ, T1SZ, EPD1, 40 bits, TG1 4 KiB */
	msr tcr_el1, x3
	msr ttbr0_el1, x1
	isb
	mrs x3, sctlr_el1
	orr x3, x3, #1
	bic x3, x3, #1 << 16			/* WFI at EL0 traps */
	msr sctlr_el1, x3
	isb
	ret

	.ltorg
translation:
	bl tables
	ldr x1, =0x80000000
	mov x2, #0x55
	str x2, [x1, #8]
	ldr x3, =DATA
	ldr x4, [x3, #8]
	EXPECT x4, 0x55, 1
	/* Read-only. */
	ldr x1, =0x80001000
	ldr x2, [x1]
	str x2, [x1, #24]
	EXPECT_EXCEPTION 0x9600004f, 2
	EXPECT x22, 0x80001018, 3
	stp x2, x3, [x1, #-8]
	EXPECT_EXCEPTION 0x9600004f, 4
	EXPECT x22, 0x80001000, 5
	/* Not there, at each level. */
	ldr x1, =0x80004010
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000007, 6
	ldr x1, =0x80800000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000006, 7
	ldr x1, =0xc0000000
	str x2, [x1]
	EXPECT_EXCEPTION 0x96000045, 8
	ldr x1, =0x8000000000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000004, 9
	EXPECT x22, 0x8000000000, 10
	ldr x1, =0xffffffff80000000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000004, 11
	/* Access flag; address size. */
	ldr x1, =0x80003000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x9600000b, 12
	ldr x1, =0x80007000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000003, 13
	/* Fetches. */
	ldr x1, =0x80005000
	blr x1
	EXPECT_EXCEPTION 0x8600000f, 14
	EXPECT x22, 0x80005000, 15
	ldr x1, =0x80002000	/* writable by EL0: never executed by EL1 */
	blr x1
	EXPECT_EXCEPTION 0x8600000f, 16
	ldr x1, =0x80000002
	blr x1
	EXPECT_EXCEPTION 0x8a000000, 17
	/* Tables take rights away. */
	ldr x1, =0x80400000
	ldr x2, [x1]
	str x2, [x1]
	EXPECT_EXCEPTION 0x9600004f, 18
	/* The access flag and dirty state by hardware. */
	mrs x3, tcr_el1
	orr x3, x3, #3 << 39
	msr tcr_el1, x3
	ldr x1, =0x80003000
	ldr x2, [x1]
	ldr x4, =TABLES + 0x2000
	ldr x5, [x4, #24]
	and x5, x5, #0x400
	EXPECT x5, 0x400, 19
	ldr x1, =0x80006000
	ldr x2, [x1]
	ldr x5, [x4, #48]
	and x5, x5, #0x80
	EXPECT x5, 0x80, 20
	str x2, [x1]
	ldr x5, [x4, #48]
	and x5, x5, #0x80
	EXPECT x5, 0, 21
	EXPECT x21, -1, 22
	/* PAN; LDTR. */
	msr pan, #1
	ldr x1, =0x80002000
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x9600000f, 23
	ldtr x2, [x1]
	sttr x2, [x1]
	EXPECT x21, -1, 24
	msr pan, #0
	ldr x2, [x1]
	EXPECT x21, -1, 25
	ldr x1, =0x80000000
	ldtr x2, [x1]
	EXPECT_EXCEPTION 0x9600000f, 26
	msr uao, #1
	ldtr x2, [x1]
	EXPECT x21, -1, 27
	msr uao, #0
	/* AT. */
	ldr x1, =0x80001234
	at s1e1r, x1
	mrs x2, par_el1
	ubfx x3, x2, #12, #36
	and x2, x2, #1
	orr x2, x2, x3, lsl #12
	EXPECT x2, DATA + 0x1000, 28
	at s1e1w, x1
	mrs x2, par_el1
	EXPECT x2, 0x81f, 29
	at s1e0r, x1
	mrs x2, par_el1
	EXPECT x2, 0x81f, 30
	/* A page is taken away. */
	ldr x1, =0x80000000
	ldr x2, [x1]
	ldr x4, =TABLES + 0x2000
	ldr x6, [x4]
	str xzr, [x4]
	dsb ishst
	tlbi vaae1is, xzr
	dsb ish
	isb
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000007, 31
	str x6, [x4]
	/* TBI. */
	mrs x3, tcr_el1
	orr x3, x3, #1 << 37
	msr tcr_el1, x3
	ldr x1, =0xab00000080000000
	ldr x2, [x1, #8]
	EXPECT x2, 0x55, 32
	adr x1, 1f
	movk x1, #0x7700, lsl #48
	br x1
1:	adr x1, 1b
	mov x2, #0
	lsr x2, x1, #56
	EXPECT x2, 0, 33
	/* Alignment; exclusives; stack; a jump with PSTATE.IL; page crossing. */
	ldr x1, =0x80000004
	ldxr x2, [x1]
	EXPECT_EXCEPTION 0x96000021, 34
	ldr x1, =0x80000ffc
	ldr x2, [x1]
	EXPECT x21, -1, 35
	ldr x1, =0x80003ffc
	ldr x2, [x1]
	EXPECT_EXCEPTION 0x96000007, 36
	EXPECT x22, 0x80004000, 37
	mov x5, sp
	add x6, x5, #-24
	mov sp, x6
	ldr x2, [sp]
	mov sp, x5
	EXPECT_EXCEPTION 0x9a000000, 38
	adr x1, 1f
	msr elr_el1, x1
	mov x1, #0x3c9
	msr spsr_el1, x1
	eret
1:	nop
	EXPECT_EXCEPTION 0x3a000000, 39
	brk #0x123
	EXPECT_EXCEPTION 0xf2000123, 40
	svc #0x77
	nop			/* the handler goes on behind it */
	ldr x10, =0x56000077
	mov x11, #41
	bl check_exception
	hlt #1
	EXPECT_EXCEPTION 0x02000000, 42
	msr fpcr, xzr
	EXPECT_EXCEPTION 0x1fe00000, 43
	dc cvac, x1
	EXPECT x21, -1, 44
	ldr x1, =0x80004000
	dc civac, x1
	EXPECT_EXCEPTION 0x96000147, 45
	mrs x1, s3_0_c12_c12_5	/* ICC_SRE_EL1 */
	EXPECT_EXCEPTION 0x02000000, 46
	ldr x1, =0x80000000
	add x2, x1, #64
	mov x3, #-1
	stp x3, x3, [x2]
	dc zva, x2
	ldr x3, [x2, #8]
	EXPECT x3, 0, 47

	/* EL0. */
	ldr x1, =0x80002000
	adr x2, user_code
	mov x3, #user_end - user_code
1:	sub x3, x3, #4
	ldr w4, [x2, x3]
	str w4, [x1, x3]
	cbnz x3, 1b
	ldr x9, =0x80002000
	bl to_user
	ldr x10, =0x56000042
	mov x11, #50
	bl check_exception
	EXPECT x23, 0x80002004, 51
	and x24, x24, #0x3ff
	EXPECT x24, 0, 52
	ldr x1, =0x80000000
	ldr x9, =0x80002004
	bl to_user
	EXPECT_EXCEPTION 0x9200000f, 53
	EXPECT x22, 0x80000000, 54
	ldr x9, =0x80002008
	bl to_user
	EXPECT_EXCEPTION 0x02000000, 55
	ldr x9, =0x8000200c
	bl to_user
	EXPECT_EXCEPTION 0x6232c281, 56
	ldr x9, =0x80002010
	bl to_user
	EXPECT_EXCEPTION 0x07e00000, 57
	ldr x9, =0x80009000
	bl to_user
	EXPECT_EXCEPTION 0x8200000f, 58
	ldr x9, =0x80004000
	bl to_user
	EXPECT_EXCEPTION 0x82000007, 59
	ldr x9, =0x80002014
	bl to_user
	EXPECT_EXCEPTION 0x02000000, 60
	ldr x1, =0x80600000
	ldr x9, =0x80002004
	bl to_user
	EXPECT_EXCEPTION 0x9200000f, 61
	b done
	.ltorg
user_code:
	svc #0x42		/* 0 */
	ldr x2, [x1]		/* 4 */
	mrs x2, sctlr_el1	/* 8 */
	mrs x20, ctr_el0	/* c */
	wfi			/* 10 */
	hvc #0			/* 14 */
user_end:

	/* ---- Only what the harness looks at: nothing. ---- */
levels:	b done

	/* ---- The timer ends WFI and interrupts. ---- */
timer:	mov x19, #0
	mrs x1, cntvct_el0
	ldr x2, =300000		/* 5 ms */
	add x1, x1, x2
	msr cntv_cval_el0, x1
	mov x2, #1
	msr cntv_ctl_el0, x2
	wfi
	mrs x3, cntvct_el0
	cmp x3, x1
	cset x3, hs
	EXPECT x3, 1, 1
	mrs x3, cntv_ctl_el0
	EXPECT x3, 5, 2
	mrs x3, isr_el1
	EXPECT x3, 0x80, 3
	EXPECT x19, 0, 4
	msr daifclr, #2
	EXPECT x19, 1, 5
	mrs x3, cntv_ctl_el0
	and x3, x3, #1
	EXPECT x3, 0, 6
	/* Again, while it runs. */
	mrs x1, cntvct_el0
	ldr x2, =300000
	add x1, x1, x2
	msr cntv_cval_el0, x1
	mov x2, #1
	msr cntv_ctl_el0, x2
1:	cmp x19, #1
	b.eq 1b
	b done

	/* ---- Two vCPUs: X1 of vCPU 1 is what CPU_ON says. ---- */
power:	ldr x0, =0xc4000003
	mov x1, #1
	adr x2, second
	mov x3, #0x99
	hvc #0
	EXPECT x0, 0, 1
	ldr x0, =0xc4000003
	mov x1, #1
	hvc #0
	EXPECT x0, -4, 2
	ldr x0, =0xc4000004
	mov x1, #1
	mov x2, #0
	hvc #0
	EXPECT x0, 0, 3
	ldr x1, =DATA
	mov x6, #1
	bl add_up
1:	ldar x2, [x1]
	cmp x2, #2
	b.ne 1b
	ldr x2, [x1, #8]
	EXPECT x2, 200000, 4
	ldr x2, [x1, #16]
	EXPECT x2, 200000, 5
	ldr x2, [x1, #32]
	EXPECT x2, 200000, 6
	/* The second one goes. */
power_off:
	ldr x0, =0xc4000004
	mov x1, #1
	mov x2, #0
	hvc #0
	cbz x0, power_off
	EXPECT x0, 1, 7
	ldr x0, =0x84000008
	hvc #0
	b bad
second:	ldr x28, =FAIL
	EXPECT x0, 0x99, 20
	ldr x1, =DATA
	bl add_up
	ldr x0, =0x84000002
	hvc #0
	b bad
	/*
	 * One vCPU maps a page elsewhere, and each TLBI that is shareable makes the other see it, once DSB is over. MAIL: the round that is asked for, the round
	 * that was answered, what was read.
	 */
	.equ MAIL, 0x40300000
	.equ MOVED, 0x8000c000
	.macro ROUND number, operand, tlbi:vararg
	add x19, x19, #1
	and x2, x19, #1
	ldr x3, =DATA + 0x10000
	add x3, x3, x2, lsl #12
	str x19, [x3]
	ldr x4, =TABLES + 0x2000 + 8 * 12
	str xzr, [x4]
	dsb ish
	ldr x5, =\operand
	\tlbi
	dsb ish
	isb
	ldr x6, =NORMAL | 3 | 1 << 11	/* not global */
	orr x3, x3, x6
	str x3, [x4]
	dsb ish
	stlr x19, [x15]
1:	ldar x7, [x16]
	cmp x7, x19
	b.ne 1b
	ldr x12, [x17]
	mov x10, x19
	mov x11, #\number
	bl check
	.endm
	.macro ADDRESSES
	ldr x15, =MAIL
	add x16, x15, #64
	add x17, x15, #128
	.endm
	.ltorg
broadcast:
	bl tables
	ADDRESSES
	mov x19, #0
	ldr x0, =0xc4000003
	mov x1, #1
	adr x2, broadcast_second
	hvc #0
	EXPECT x0, 0, 1
1:	ldar x7, [x16]
	cbz x7, 1b
	mov x18, #50
2:	ROUND 2, 0, tlbi vmalle1is
	ROUND 3, MOVED >> 12, tlbi vae1is, x5
	ROUND 4, 0, tlbi aside1is, x5
	ROUND 5, MOVED >> 12, tlbi vaae1is, x5
	ROUND 6, MOVED >> 12, tlbi vale1is, x5
	ROUND 7, MOVED >> 12, tlbi vaale1is, x5
	ROUND 8, MOVED >> 12 | 1 << 46, sys #0, c8, c2, #1, x5	/* RVAE1IS */
	ROUND 9, MOVED >> 12 | 1 << 46, sys #0, c8, c5, #7, x5	/* RVAALE1OS */
	ROUND 10, 0, sys #0, c8, c1, #0			/* VMALLE1OS */
	ROUND 11, MOVED >> 12, sys #0, c8, c1, #1, x5	/* VAE1OS */
	subs x18, x18, #1
	b.ne 2b
	mov x19, #-1
	stlr x19, [x15]
	b power_off
	.ltorg
broadcast_second:
	ldr x28, =FAIL
	adr x1, vectors
	msr vbar_el1, x1
	bl tables
	ADDRESSES
	mov x8, #0
	mov x7, #-1
	stlr x7, [x16]
1:	ldar x7, [x15]
	cmp x7, x8
	b.eq 1b
	mov x8, x7
	cmn x8, #1
	b.eq 2f
	ldr x9, =MOVED
	ldr x9, [x9]
	str x9, [x17]
	stlr x8, [x16]
	b 1b
2:	ldr x0, =0x84000002
	hvc #0
	b bad
	.ltorg
add_up:	ldr x3, =100000
	add x4, x1, #8
	add x5, x1, #16
	add x8, x1, #32
	mov x6, #1
1:	ldaxr x7, [x4]
	add x7, x7, #1
	stlxr w9, x7, [x4]
	cbnz w9, 1b
	ldadd x6, x7, [x5]
2:	ldaxp x12, x13, [x8]
	add x12, x12, #1
	stlxp w9, x12, x13, [x8]
	cbnz w9, 2b
	subs x3, x3, #1
	b.ne 1b
	ldaddal x6, x7, [x1]
	ret

	/* ---- Software step of EL0, breakpoints and watchpoints of its own. ---- */
steps:	bl tables
	ldr x1, =0x80002000
	ldr w2, nops
	mov x3, #64
1:	sub x3, x3, #4
	str w2, [x1, x3]
	cbnz x3, 1b
	msr oslar_el1, xzr
	mov x2, #1
	msr mdscr_el1, x2
	mov x27, #0
	adr x27, 2f
	ldr x9, =0x80002000
	msr elr_el1, x9
	mov x9, #1 << 21
	msr spsr_el1, x9
	eret
2:	EXPECT_EXCEPTION 0xcb000022, 1
	EXPECT x23, 0x80002004, 2
	mov x2, #1 << 15
	msr mdscr_el1, x2
	ldr x2, =0x80002008
	msr dbgbvr1_el1, x2
	mov x2, #0x1e5
	msr dbgbcr1_el1, x2
	ldr x9, =0x80002000
	bl to_user
	EXPECT_EXCEPTION 0xc2000022, 3
	EXPECT x23, 0x80002008, 4
	msr dbgbcr1_el1, xzr
	ldr x1, =0x80002100
	msr dbgwvr3_el1, x1
	ldr x2, =0x1fed
	msr dbgwcr3_el1, x2
	ldr x2, load
	ldr x3, =0x80002000
	str w2, [x3, #4]
	ldr x9, =0x80002000
	bl to_user
	EXPECT_EXCEPTION 0xd2000022, 5
	EXPECT x22, 0x80002100, 6
	b done
nops:	nop
load:	ldr x2, [x1]

	/* ---- For the debugger: a few instructions, BRK, a store. ---- */
counting:
	mov x1, #1
	mov x2, #2
	add x3, x1, x2
	svc #3
	nop
	ldr x4, =DATA
	str x3, [x4]
	brk #7
	b done

	/* ---- Its answer is in X0 and X1: code that changes itself. ---- */
sums:	mov x0, #0
	mov x2, #1000
	adr x3, 2f
	ldr w4, [x3]
1:	eor w4, w4, #1 << 30	/* ADD, SUB in turns */
	str w4, [x3]
2:	add x0, x0, #3
	subs x2, x2, #1
	b.ne 1b
	EXPECT x0, 0, 1
	/* The same with maintenance, in another block. */
	mov x2, #100
	ldr w4, 3f
1:	eor w4, w4, #1 << 30
	adr x3, 3f
	str w4, [x3]
	dc cvau, x3
	dsb ish
	ic ivau, x3
	dsb ish
	isb
3:	add x0, x0, #3
	subs x2, x2, #1
	b.ne 1b
	EXPECT x0, 0, 2
	b done

pairs_mmio:
	ldp x1, x2, [x28, #32]
	b done

	/* ---- MMIO of all kinds; the harness answers reads with 0x..88878685848382 81. ---- */
loads_mmio:
	add x1, x28, #0x100
	ldr x2, [x1]
	EXPECT x2, 0x8887868584838281, 1
	ldrb w2, [x1, #1]
	EXPECT x2, 0x81, 2
	ldrsb w2, [x1]
	EXPECT x2, 0xffffff81, 3
	ldrsb x2, [x1]
	EXPECT x2, -127, 4
	ldrsh x2, [x1]
	EXPECT x2, 0xffffffffffff8281, 5
	ldr w2, [x1]
	EXPECT x2, 0x84838281, 6
	ldrsw x2, [x1]
	EXPECT x2, 0xffffffff84838281, 7
	ldar w2, [x1]
	EXPECT x2, 0x84838281, 8
	mov x3, #16
	ldr x2, [x1, x3]
	EXPECT x2, 0x8887868584838281, 9
	ldr xzr, [x1]
	str xzr, [x28, #24]
	strb wzr, [x28, #24]
	b done

psci:	ldr x0, =0x84000000
	hvc #0
	EXPECT x0, 0x10001, 1
	ldr x0, =0x8400000a
	ldr x1, =0xc4000003
	smc #0
	EXPECT x0, 0, 2
	ldr x0, =0x8400000a
	ldr x1, =0x84000005
	hvc #0
	EXPECT x0, -1, 3
	ldr x0, =0x80000000
	hvc #0
	EXPECT x0, 0x10001, 4
	ldr x0, =0x12345678
	hvc #0
	EXPECT x0, -1, 5
	ldr x0, =0x84000004
	mov x1, #0
	mov x2, #0
	hvc #0
	EXPECT x0, 0, 6
	ldr x0, =0x84000012
	mov x1, #1
	hvc #0
	EXPECT x0, -2, 7
	ldr x0, =0x84000053
	mov x1, #33
	hvc #0
	EXPECT x0, 0, 8
	lsr x2, x2, #1
	orr x1, x1, x2
	EXPECT x1, 0, 9
	b done
	.ltorg
	.balign 16
stack:	.space 4096
stack_top:
