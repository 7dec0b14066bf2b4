/*
 * A tour of the processor's modes that checks itself: real mode, 32-bit protected mode with all its ways between levels and
 * tasks, virtual-8086 mode, long mode with its own. Loaded at CODE_BASE, entered at its first byte in real mode with all
 * segments 0. Expectations are the processor manuals' (SDM; where vendors differ, AMD's).
 */
#include "system_code.h"

	.section .rodata
	.globl system_code_begin, system_code_end
system_code_begin:
code_begin:

/* ---- Real mode. ---- */
	.code16
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %fs
	mov %ax, %gs
	mov %ax, %ss
	mov $0x7000, %sp

	/* The interrupt vector table. */
	movw $A(real_divide), 0 * 4
	movw $0, 0 * 4 + 2
	movw $A(real_overflow), 4 * 4
	movw $0, 4 * 4 + 2
	movw $A(real_undefined), 6 * 4
	movw $0, 6 * 4 + 2
	movw $A(real_protection), 13 * 4
	movw $0, 13 * 4 + 2
	movw $0x10, 0x40 * 4 + 2 /* another segment, the same code */
	movw $A(real_int40) - 0x100, 0x40 * 4
	movw $A(vm_int41), 0x41 * 4
	movw $0, 0x41 * 4 + 2

	/* INT and IRET. */
	sti
	mov $0x1234, %ebx
	mov $0x7000, %sp
	int $0x40
	CHECK(l, 0x5678, %ebx)
	CHECK(w, 0x7000, %sp)
	pushf
	pop %ax
	and $0x200, %ax
	CHECK(w, 0x200, %ax)
	cli
	pushf
	pop %ax
	and $0x200, %ax
	CHECK(w, 0, %ax)

	/* INTO, with and without OF. */
	mov $0, %ecx
	mov $0x7f, %al
	add $1, %al
	into
	CHECK(l, 4, %ecx)
	mov $0, %ecx
	xor %al, %al
	into
	CHECK(l, 0, %ecx)

	/* Faults point at the instruction: the handlers step over two bytes. */
	mov $0, %ecx
	ud2
	CHECK(l, 6, %ecx)
	mov $0, %cl
	mov $1, %ax
	div %cl
	CHECK(l, 0, %ecx) /* the handler's mark is CL's own value */
	.byte 0x0f, 0x00, 0xc0 /* SLDT %ax does not exist here; 3 bytes */
	CHECK(l, 6, %ecx)
	mov $0xffff, %bx
	mov $0, %ecx
	mov (%bx), %ax /* beyond the segment; 2 bytes */
	CHECK(l, 13, %ecx)

	/* Far calls and returns. */
	push $0xaaaa
	lcall $0x10, $A(real_far) - 0x100
	CHECK(l, 0x1111, %edx)
	CHECK(w, 0x7000, %sp)
	movw $A(real_far) - 0x200, A(scratch)
	movw $0x20, A(scratch) + 2
	push $0xaaaa
	lcall *A(scratch)
	CHECK(w, 0x7000, %sp)
	lcalll $0, $A(real_far32)
	CHECK(l, 0x2222, %edx)
	CHECK(w, 0x7000, %sp)
	ljmp $0x30, $A(1f) - 0x300
1:	mov %cs, %ax
	CHECK(w, 0x30, %ax)
	ljmpl $0, $A(1f)
1:	mov %cs, %ax
	CHECK(w, 0, %ax)
	/* IRETD with flags that have AC and ID. */
	pushl $0x240046
	pushl $0x40
	pushl $(A(1f) - 0x400)
	iretl
1:	pushfl
	pop %eax
	CHECK(l, 0x240046, %eax)
	pushl $2
	popfl
	mov %cs, %ax
	CHECK(w, 0x40, %ax)
	ljmp $0, $A(1f)
1:

	/* Segment registers. */
	movl $0x11112222, A(scratch)
	movw $0x3333, A(scratch) + 4
	les A(scratch), %bx
	mov %es, %eax
	CHECK(l, 0x1111, %eax)
	CHECK(w, 0x2222, %bx)
	lfsl A(scratch), %ebx
	mov %fs, %edx
	CHECK(l, 0x3333, %edx)
	CHECK(l, 0x11112222, %ebx)
	push %fs
	pop %gs
	mov %gs, A(scratch)
	CHECK(w, 0x3333, A(scratch))
	pushl %fs
	pop %ax
	pop %bx
	CHECK(w, 0x3333, %ax)
	CHECK(w, 0x7000, %sp)
	mov $0x77778888, %eax
	mov %fs, %ax
	CHECK(l, 0x77773333, %eax)
	mov $0, %eax
	mov %eax, %es
	lss A(stack_far), %sp
	CHECK(w, 0x6ff0, %sp)
	mov %ss, %ax
	CHECK(w, 1, %ax)
	lss A(stack_back), %sp
	mov $A(scratch) >> 4, %ax
	mov %ax, %fs
	mov %fs:A(scratch) - ((A(scratch)) & 0xfff0), %ax
	CHECK(w, 0x3333, %ax)

	/* Ports, one by one and in strings. */
	mov $PORT_DATA, %dx
	in $PORT_DATA, %al
	CHECK(b, 0xa0, %al)
	mov $0x55555555, %eax
	in %dx, %ax
	CHECK(l, 0x5555a2a1, %eax)
	in %dx, %eax
	CHECK(l, 0xa6a5a4a3, %eax)
	mov $A(buffer), %di
	mov $5, %cx
	rep insb
	CHECK(w, 0, %cx)
	CHECK(w, A(buffer) + 5, %di)
	CHECK(l, 0xaaa9a8a7, A(buffer))
	CHECK(b, 0xab, A(buffer) + 4)
	insw
	CHECK(w, A(buffer) + 7, %di)
	CHECK(w, 0xadac, A(buffer) + 5)
	std
	mov $2, %cx
	mov $A(buffer) + 4, %di
	rep insl
	cld
	CHECK(w, 0, %cx)
	CHECK(w, A(buffer) - 4, %di)
	CHECK(l, 0xb1b0afae, A(buffer) + 4)
	CHECK(l, 0xb5b4b3b2, A(buffer))
	rep insb /* CX is 0: nothing */
	CHECK(w, A(buffer) - 4, %di)
	mov $0, %al
	out %al, $PORT_DATA
	mov $0x0201, %ax
	out %ax, %dx
	mov $0x06050403, %eax
	out %eax, %dx
	mov $A(counting), %si
	mov $5, %cx
	rep outsb
	CHECK(w, 0, %cx)
	CHECK(w, A(counting) + 5, %si)
	outsw
	.byte 0x67, 0x66, 0x6f /* OUTSL with 32-bit addresses */
	CHECK(w, A(counting) + 11, %si)

	/* Tables. */
	lidt A(idt_small)
	sidt A(scratch)
	CHECK(w, 0x3ff, A(scratch))
	CHECK(l, 0, A(scratch) + 2)
	lgdtl A(gdt_pointer)
	sgdt A(scratch)
	CHECK(w, gdt_end - gdt - 1, A(scratch))
	CHECK(l, A(gdt), A(scratch) + 2)
	smsw %ax
	and $0xf, %ax
	CHECK(w, 0, %ax)
	lmsw A(word_zero)

	/* CPUID, time stamps. */
	mov $0, %eax
	cpuid
	mov %ebx, A(vendor)
	rdtsc
	mov %eax, %ebx
	mov %edx, %ecx
	rdtsc
	sub %ebx, %eax
	sbb %ecx, %edx
	CHECK(l, 0, %edx)

	/* Into protected mode. */
	lidtl A(idt_pointer)
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $0x08, $A(protected)

real_int40:
	push %ax
	pushf
	pop %ax
	and $0x200, %ax
	CHECK(w, 0, %ax)
	mov %cs, %ax
	CHECK(w, 0x10, %ax)
	pop %ax
	mov $0x5678, %ebx
	iret
real_overflow:
	mov $4, %ecx
	iret
real_divide:
	mov %sp, %bp
	addw $2, (%bp)
	iret
real_undefined:
	mov $6, %ecx
	mov %sp, %bp
	mov (%bp), %bp
	cmpb $0x0b, 1(%bp) /* UD2 has two bytes, SLDT three */
	mov %sp, %bp
	je 1f
	addw $1, (%bp)
1:	addw $2, (%bp)
	iret
real_protection:
	mov $13, %ecx
	mov %sp, %bp
	addw $2, (%bp)
	iret
real_far:
	mov $0x1111, %edx
	lret $2
real_far32:
	mov $0x2222, %edx
	lretl

/* ---- 32-bit protected mode, level 0. ---- */
	.code32
protected:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $0x8000, %esp
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov %cs, %eax
	CHECK(l, 8, %eax)
	FAULT32(13, 8, lldt %ax)
	xor %eax, %eax
	lldt %ax
	mov $0x28, %eax
	ltr %ax
	str %ebx
	CHECK(l, 0x28, %ebx)
	CHECK(b, 0x8b, A(gdt) + 0x28 + 5) /* busy */
	FAULT32(13, 0x28, ltr %ax)        /* busy already */
	mov $0x10, %eax
	FAULT32(13, 0x10, ltr %ax)
	FAULT32(13, 0x10, lldt %ax)
	mov $0x50, %eax
	lldt %ax
	sldt %ebx
	CHECK(l, 0x50, %ebx)
	CHECK(b, 0x93, A(gdt) + 0x10 + 5) /* accessed */

	/* Loading segment registers. */
	mov $0x0c, %eax /* in the LDT */
	mov %eax, %fs
	movl $0x12345678, 0x4000
	mov %fs:0, %ebx
	CHECK(l, 0x12345678, %ebx)
	FAULT32(13, 0, mov %fs:0x1000, %ebx) /* its limit is 0xfff */
	mov %fs:0xffc, %ebx
	FAULT32(13, 0, mov %fs:0xffd, %ebx)
	mov $0x1c, %eax
	FAULT32(13, 0x1c, mov %eax, %fs)     /* outside the LDT */
	mov $0x70, %eax
	FAULT32(11, 0x70, mov %eax, %es)     /* not present */
	FAULT32(12, 0x70, mov %eax, %ss)
	mov $0x78, %eax
	mov %eax, %es
	mov %es:0x4000, %ebx
	CHECK(l, 0x12345678, %ebx)
	FAULT32(13, 0, mov %ebx, %es:0x4000) /* read-only */
	FAULT32(13, 0x78, mov %eax, %ss)
	mov $0x80, %eax
	FAULT32(13, 0x80, mov %eax, %es)     /* execute-only */
	mov $0x88, %eax
	mov %eax, %es                        /* expand-down, above 0x3fff */
	mov %es:0x4000, %ebx
	CHECK(l, 0x12345678, %ebx)
	FAULT32(13, 0, mov %es:0x3ffd, %ebx)
	mov $0x23, %eax
	mov %eax, %es
	FAULT32(13, 0x20, mov %eax, %ss)     /* level 3's */
	mov $0x11, %eax
	FAULT32(13, 0x10, mov %eax, %ss)
	mov $3, %eax
	FAULT32(13, 0, mov %eax, %ss)        /* null */
	mov %eax, %gs
	mov %gs, %ebx
	CHECK(l, 3, %ebx)
	FAULT32(13, 0, mov %gs:0, %ebx)
	mov $0x28, %eax
	FAULT32(13, 0x28, mov %eax, %es)     /* a system descriptor */
	mov $0xfff8, %eax
	FAULT32(13, 0xfff8, mov %eax, %es)   /* outside the GDT */
	mov $0x10, %eax
	mov %eax, %es
	mov $0x60, %eax
	mov %eax, %ss
	FAULT32(12, 0, mov %ss:0x10000, %ebx)
	FAULT32(12, 0, mov $0x10000, %ebp; mov (%ebp), %ebx)
	mov $0x10, %eax
	mov %eax, %ss

	/* Asking about descriptors. */
	mov $0x10, %eax
	mov $0x55, %ebx
	lar %eax, %ebx
	jz 1f
	mov $0, %ebx
1:	CHECK(l, 0xcf9300, %ebx)
	lsl %eax, %ebx
	CHECK(l, 0xffffffff, %ebx)
	mov $0x0c, %eax
	lsl %eax, %ebx
	CHECK(l, 0xfff, %ebx)
	mov $0x28, %eax
	lar %eax, %ebx
	CHECK(l, 0x8b00, %ebx)
	lsl %eax, %ebx
	CHECK(l, tss0_end - tss0 - 1, %ebx)
	mov $0x40, %eax
	lar %eax, %ebx
	CHECK(l, 0xec00, %ebx) /* a call gate: LAR knows it, LSL does not */
	mov $0x66, %ebx
	lsl %eax, %ebx
	setz %cl
	CHECK(b, 0, %cl)
	CHECK(l, 0x66, %ebx)
	mov $0xfff8, %eax
	lar %eax, %ebx
	setz %cl
	CHECK(b, 0, %cl)
	mov $0, %eax
	lar %eax, %ebx
	setz %cl
	CHECK(b, 0, %cl)
	movw $0x78, A(scratch)
	verr A(scratch)
	setz %cl
	CHECK(b, 1, %cl)
	verw A(scratch)
	setz %cl
	CHECK(b, 0, %cl)
	movw $0x80, A(scratch)
	verr A(scratch)
	setz %cl
	CHECK(b, 0, %cl)
	movw $0x10, A(scratch)
	verw A(scratch)
	setz %cl
	CHECK(b, 1, %cl)
	movw $0x28, A(scratch)
	verr A(scratch)
	setz %cl
	CHECK(b, 0, %cl)
	mov $0x1, %eax
	mov $0x13, %ebx
	arpl %bx, %ax
	setz %cl
	CHECK(b, 1, %cl)
	CHECK(l, 3, %eax)
	movw $0x23, A(scratch)
	mov $1, %ebx
	arpl %bx, A(scratch)
	setz %cl
	CHECK(b, 0, %cl)
	CHECK(w, 0x23, A(scratch))

	/* Transfers within level 0. */
	ljmp $0x08, $A(1f)
1:	FAULT32(13, 0, ljmp $0, $A(1b))
	FAULT32(13, 0x10, ljmp $0x10, $A(1b))
	FAULT32(13, 0x18, ljmp $0x1b, $A(1b))
	FAULT32(13, 0, ljmp $0x58, $0x10000) /* beyond its limit */
	ljmp $0x68, $A(1f)                   /* conforming */
1:	mov %cs, %eax
	CHECK(l, 0x68, %eax)
	ljmp *A(far_code32)
far_code32_target:
	mov %cs, %eax
	CHECK(l, 8, %eax)
	mov $0x8000, %esp
	lcall $0x58, $A(code16_far) /* 16-bit code: returns with LRETL */
	CHECK(l, 0x8000, %esp)
	CHECK(l, 0x1616, %edx)
	push $0xbbbb
	lcall $0x40, $0xdeadbeef    /* a call gate to the same level: no parameters */
	CHECK(l, 0x8000 - 4, %esp)
	CHECK(l, 0x4040, %edx)
	pop %eax
	lcallw $0x90, $0            /* a 16-bit call gate */
	CHECK(l, 0x8000, %esp)
	CHECK(l, 0x9090, %edx)

	/* IRET to the same level: flags and address. */
	push $0x246 | 0x40000
	push $8
	push $A(1f)
	iret
1:	pushf
	pop %eax
	CHECK(l, 0x40246, %eax)
	push $2
	popf
	FAULT32(13, 0x10, push $2; push $0x10; push $A(1b); iret)
	FAULT32(13, 0, push $2; push $0; push $A(1b); iret)
	FAULT32(11, 0xc0, push $2; push $0xc0; push $A(1b); iret) /* not present */

	/* Software interrupts and the faults of gates. */
	mov $0x1111, %edx
	int $0x81
	CHECK(l, 0x8181, %edx)
	FAULT32(13, 0x90 * 8 + 2, int $0x90)     /* outside the IDT */
	FAULT32(11, 0x50 * 8 + 2, int $0x50)     /* gate not present */
	FAULT32(3, 0, int3)
	CHECK(l, A(78b), A(got_eip))             /* a trap */
	FAULT32(6, 0, ud2)
	FAULT32(13, 0x70, int $0x51)             /* the handler's segment is data */

	/* Control registers. */
	mov %cr0, %eax
	mov %eax, %ebx
	or $8, %eax
	mov %eax, %cr0
	smsw %ecx
	and $0xf, %ecx
	CHECK(l, 9, %ecx)
	FAULT32(7, 0, fninit)
	clts
	mov %cr0, %ecx
	cmp %ebx, %ecx
	setz %cl
	CHECK(b, 1, %cl)
	mov $0x80000000, %ecx
	FAULT32(13, 0, mov %ecx, %cr0)           /* PG without PE */
	mov $0x87654321, %ecx
	mov %ecx, %cr2
	mov %cr2, %edx
	CHECK(l, 0x87654321, %edx)
	mov $0x4000000, %ecx
	FAULT32(13, 0, mov %ecx, %cr4)
	invlpg 0
	invd
	wbinvd

	/* Debug registers. */
	mov $0x12345678, %eax
	mov %eax, %dr0
	mov %dr0, %ebx
	CHECK(l, 0x12345678, %ebx)
	mov $0xffffffff, %eax
	mov %eax, %dr6
	mov %dr6, %ebx
	CHECK(l, 0xffffefff, %ebx)
	xor %eax, %eax
	mov %eax, %dr6
	mov %db4, %ebx
	CHECK(l, 0xffff0ff0, %ebx)
	mov $8, %eax
	mov %eax, %cr4
	FAULT32(6, 0, mov %db4, %ebx)
	xor %eax, %eax
	mov %eax, %cr4
	mov $0x2000, %eax
	mov %eax, %dr7
	FAULT32(1, 0, mov %dr0, %ebx)            /* general detect */
	mov %dr7, %ebx
	CHECK(l, 0x400, %ebx)                    /* switched off by it */
	mov %dr6, %ebx
	CHECK(l, 0xffff2ff0, %ebx)
	xor %eax, %eax
	mov %eax, %dr6
	FAULT32(1, 0, .byte 0xf1)
	CHECK(l, A(78b), A(got_eip))

/* ---- Level 3 and back. ---- */

/* Runs the code at `label` at level 3 until it faults or says INT $0x80. */
#define USER32(label)                  \
	movl $A(79f), A(resume);       \
	mov %esp, A(resume_esp);       \
	movl $-1, A(got_vector);       \
	mov $0x23, %eax;               \
	mov %eax, %ds;                 \
	push $0x23;                    \
	push $0x7800;                  \
	push $2;                       \
	push $0x1b;                    \
	push $A(label);                \
	iret;                          \
79:
#define USER32_FAULT(label, vector, code)   \
	USER32(label)                       \
	CHECK(l, vector, A(got_vector))     \
	CHECK(l, code, A(got_code))

	USER32_FAULT(user_plain, 0x80, 0)
	CHECK(l, 0x1b, A(got_cs))
	CHECK(l, 0x23, A(got_ss))
	CHECK(l, 0x7800 - 4, A(got_esp))
	CHECK(l, 0x33333333, %edx)
	USER32_FAULT(user_hlt, 13, 0)
	USER32_FAULT(user_cli, 13, 0)
	USER32_FAULT(user_in, 0x80, 0)             /* allowed by the bitmap */
	USER32_FAULT(user_in_denied, 13, 0)
	USER32_FAULT(user_in_straddle, 13, 0)
	USER32_FAULT(user_int81, 13, 0x81 * 8 + 2) /* a gate of level 0 */
	USER32_FAULT(user_segments, 13, 0x10)
	USER32_FAULT(user_mov_cr, 13, 0)
	USER32_FAULT(user_rdmsr, 13, 0)
	USER32_FAULT(user_lgdt, 13, 0)
	USER32_FAULT(user_sgdt, 0x80, 0)           /* no UMIP: allowed */
	USER32_FAULT(user_gate, 0x80, 0)           /* a call gate with two parameters, and back */
	CHECK(l, 0x4040, %edx)
	CHECK(l, 0x7800 - 4, A(got_esp))
	USER32_FAULT(user_far, 13, 0x08)
	USER32_FAULT(user_conforming, 0x80, 0)
	CHECK(l, 0x6b, A(got_cs))
	USER32_FAULT(user_popf, 0x80, 0)
	CHECK(l, 2, A(got_eflags))                 /* neither IF nor IOPL */
	USER32_FAULT(user_int3, 3, 0)
	USER32_FAULT(user_overflow, 4, 0)
	USER32_FAULT(user_bound, 5, 0)
	/* With IOPL 3. */
	movl $A(1f), A(resume)
	mov %esp, A(resume_esp)
	push $0x23
	push $0x7800
	push $0x3202
	push $0x1b
	push $A(user_cli)
	iret
1:	CHECK(l, 0x80, A(got_vector))
	CHECK(l, 0x3002, A(got_eflags))
	/* Data segments that level 3 may not have become null on the way out. */
	mov $0x10, %eax
	mov %eax, %fs
	mov $0x68, %eax
	mov %eax, %gs
	USER32_FAULT(user_plain, 0x80, 0)
	mov %fs, %eax
	CHECK(l, 0, %eax)
	mov %gs, %eax
	CHECK(l, 0x68, %eax)
	/* Stack segments that level 3 may not have. */
	FAULT32(13, 0x10, push $0x13; push $0x7800; push $2; push $0x1b; push $A(user_plain); iret)
	FAULT32(13, 0, push $3; push $0x7800; push $2; push $0x1b; push $A(user_plain); iret)
	/* UMIP, where there is. */
	mov $7, %eax
	xor %ecx, %ecx
	cpuid
	test $4, %ecx
	jz 1f
	mov $0x800, %eax
	mov %eax, %cr4
	USER32_FAULT(user_sgdt, 13, 0)
1:
	xor %eax, %eax
	mov %eax, %cr4
	/* Time stamps for level 0 only. */
	USER32_FAULT(user_rdtsc, 0x80, 0)
	mov $4, %eax
	mov %eax, %cr4
	USER32_FAULT(user_rdtsc, 13, 0)
	xor %eax, %eax
	mov %eax, %cr4
	/* SYSENTER and SYSEXIT. */
	mov $0x174, %ecx
	mov $0x08, %eax
	xor %edx, %edx
	wrmsr
	mov $0x175, %ecx
	mov $0x7c00, %eax
	wrmsr
	mov $0x176, %ecx
	mov $A(sysenter_entry), %eax
	wrmsr
	rdmsr
	CHECK(l, A(sysenter_entry), %eax)
	USER32_FAULT(user_sysenter, 0x80, 0)
	CHECK(l, 0x5e5e, %ebx)
	CHECK(l, 0x7700, A(got_esp))
	mov $0x174, %ecx
	xor %eax, %eax
	wrmsr
	USER32_FAULT(user_sysenter, 13, 0)
	mov $0xdead, %ecx
	FAULT32(13, 0, rdmsr)
	FAULT32(13, 0, wrmsr)

	jmp tasks

user_plain:
	mov $0x33333333, %edx
	push $1
	int $0x80
user_hlt:
	hlt
user_cli:
	cli
	int $0x80
user_in:
	in $PORT_DATA, %al
	int $0x80
user_in_denied:
	in $0xf0, %al
	int $0x80
user_in_straddle: /* ports 0xe7 (allowed) and 0xe8 (not) */
	in $0xe7, %ax
	int $0x80
user_int81:
	int $0x81
user_segments:
	mov $0x23, %eax
	mov %eax, %es
	mov $0x13, %eax
	mov %eax, %es
user_mov_cr:
	mov %cr0, %eax
user_rdmsr:
	rdmsr
user_lgdt:
	lgdt A(gdt_pointer)
user_sgdt:
	sgdt A(scratch)
	int $0x80
user_gate:
	push $0x1234
	push $0x5678
	lcall $0x43, $0
	push $1
	int $0x80
user_far:
	ljmp $0x0b, $A(user_far)
user_conforming:
	ljmp $0x6b, $A(1f)
1:	int $0x80
user_popf:
	push $0x3202
	popf
	int $0x80
user_int3:
	int3
user_overflow:
	mov $0x7f, %al
	inc %al
	into
user_bound:
	mov $5, %eax
	bound %eax, A(bounds)
user_rdtsc:
	rdtsc
	int $0x80
user_sysenter:
	sysenter
user_sysenter_back:
	int $0x80

sysenter_entry:
	mov %cs, %eax
	CHECK(l, 0x08, %eax)
	mov %ss, %eax
	CHECK(l, 0x10, %eax)
	CHECK(l, 0x7c00, %esp)
	mov $0x5e5e, %ebx
	mov $0x7700, %ecx
	mov $A(user_sysenter_back), %edx
	sysexit

/* Behind the call gate at 0x40 (level 0, 32-bit, two parameters when it comes from level 3). */
gate_target:
	mov %cs, %eax
	CHECK(l, 8, %eax)
	mov 4(%esp), %eax
	and $3, %eax
	jnz 1f
	mov $0x4040, %edx
	lret
1:	CHECK(l, 0x5678, 8(%esp))
	CHECK(l, 0x1234, 12(%esp))
	CHECK(l, 0x7800 - 8, 16(%esp))
	CHECK(l, 0x23, 20(%esp))
	CHECK(l, 0x6000 - 24, %esp)
	mov $0x4040, %edx
	lret $8
gate16_target:
	mov $0x9090, %edx
	lretw

	.code16
code16_far:
	mov %cs, %ax
	CHECK(w, 0x58, %ax)
	mov $0x1616, %edx
	lretl
	.code32

/* ---- Tasks. ---- */
tasks:
	mov $0x8000, %esp
	/* CALL, and IRET back: NT, the link, busy bits, CR0.TS. */
	clts
	movl $A(task1_called), A(tss1) + 0x20
	mov $0xcafe, %ebp
	lcall $0x30, $0
	CHECK(l, 0x8000, %esp)
	CHECK(l, 0xcafe, %ebp)
	mov %cr0, %eax
	and $8, %eax
	CHECK(l, 8, %eax)
	clts
	str %eax
	CHECK(l, 0x28, %eax)
	CHECK(b, 0x8b, A(gdt) + 0x28 + 5)
	CHECK(b, 0x89, A(gdt) + 0x30 + 5)
	CHECK(l, 0x7766, A(tss1) + 0x28)  /* its EAX was saved */
	pushf
	pop %eax
	and $0x4000, %eax
	CHECK(l, 0, %eax)
	/* Through a task gate. */
	movl $A(task1_called), A(tss1) + 0x20
	lcall $0x48, $0
	CHECK(b, 0x89, A(gdt) + 0x30 + 5)
	/* JMP there and JMP back. */
	movl $A(task1_jumped), A(tss1) + 0x20
	ljmp $0x30, $0
	CHECK(b, 0x89, A(gdt) + 0x30 + 5)
	CHECK(b, 0x8b, A(gdt) + 0x28 + 5)
	/* To a 16-bit task and back. */
	lcall $0x38, $0
	CHECK(l, 0x8000, %esp)
	CHECK(w, 0x1234, A(tss16) + 0x12)
	/* Faults: busy, not present, too small, not a TSS. */
	FAULT32(13, 0x28, ljmp $0x28, $0)
	FAULT32(11, 0xd8, ljmp $0xd8, $0)
	FAULT32(10, 0xe0, ljmp $0xe0, $0)
	/* A fault in the new task: its FS is no data. The handler runs in it; the way back is made by hand. */
	movl $A(task1_called), A(tss1) + 0x20
	movl $0x28, A(tss1) + 0x58
	FAULT32(10, 0x28, ljmp $0x30, $0)
	str %eax
	CHECK(l, 0x30, %eax)
	CHECK(l, A(task1_called), A(got_eip))
	movl $0, A(tss1) + 0x58
	xor %eax, %eax
	mov %eax, %fs /* its visible half is loaded */
	mov $0x28, %eax
	ltr %ax
	andb $0xfd, A(gdt) + 0x30 + 5
	mov $0x50, %eax
	lldt %ax
	clts
	/* An exception through a task gate: vector 0x52's, and #UD's own for a while. Error codes are pushed: #NP's. */
	movl $A(task1_interrupted), A(tss1) + 0x20
	int $0x52
	CHECK(b, 0x89, A(gdt) + 0x30 + 5)
	mov A(idt) + 11 * 8, %eax
	mov A(idt) + 11 * 8 + 4, %edx
	mov %eax, A(scratch)
	mov %edx, A(scratch) + 4
	movl $0x00300000, A(idt) + 11 * 8
	movl $0x00008500, A(idt) + 11 * 8 + 4
	movl $A(task1_error), A(tss1) + 0x20
	mov $0x70, %eax
	mov %eax, %es /* the task makes the segment present, and it is loaded after all */
	mov %es, %eax
	CHECK(l, 0x70, %eax)
	andb $0x7f, A(gdt) + 0x70 + 5
	mov A(scratch), %eax
	mov %eax, A(idt) + 11 * 8
	mov A(scratch) + 4, %eax
	mov %eax, A(idt) + 11 * 8 + 4
	mov $0x10, %eax
	mov %eax, %es
	/* The T flag of a TSS: a debug trap in the new task. */
	movl $A(task1_trapped), A(tss1) + 0x20
	movw $1, A(tss1) + 0x64
	movl $A(task1_trapped_resume), A(resume)
	mov %esp, A(resume_esp)
	movl $-1, A(got_vector)
	lcall $0x30, $0
	movw $0, A(tss1) + 0x64
	clts
	jmp vm86

task1_called:
	str %eax
	CHECK(l, 0x30, %eax)
	CHECK(b, 0x8b, A(gdt) + 0x28 + 5)
	CHECK(b, 0x8b, A(gdt) + 0x30 + 5)
	CHECK(w, 0x28, A(tss1))
	CHECK(l, 0x7f00, %esp)
	CHECK(l, 0x1d1d1d1d, %edi)
	pushf
	pop %eax
	and $0x4000, %eax
	CHECK(l, 0x4000, %eax)
	CHECK(l, 0x8000, A(tss0) + 0x38) /* the caller's ESP */
	CHECK(l, 0x50, A(tss1) + 0x60)
	sldt %eax
	CHECK(l, 0x50, %eax)
	mov $0x7766, %eax
	iret
task1_jumped:
	str %eax
	CHECK(l, 0x30, %eax)
	CHECK(b, 0x89, A(gdt) + 0x28 + 5)
	pushf
	pop %eax
	and $0x4000, %eax
	CHECK(l, 0, %eax)
	mov $0x7f00, %esp
	ljmp $0x28, $0
task1_interrupted:
	CHECK(w, 0x28, A(tss1))
	CHECK(l, 0x7f00, %esp)
	iret
task1_error:
	CHECK(l, 0x7f00 - 4, %esp)
	CHECK(l, 0x70, (%esp))
	orb $0x80, A(gdt) + 0x70 + 5
	add $4, %esp
	iret
task1_trapped:
	mov %eax, %eax
	iret
task1_trapped_resume:
	CHECK(l, 1, A(got_vector))
	CHECK(l, A(task1_trapped), A(got_eip))
	mov %dr6, %eax
	CHECK(l, 0xffff8ff0, %eax)
	xor %eax, %eax
	mov %eax, %dr6
	str %eax
	CHECK(l, 0x30, %eax)
	push $0x4002 /* NT again: the handler cleared it */
	popf
	iret

	.code16
task16:
	str %ax
	CHECK(w, 0x38, %ax)
	CHECK(w, 0x7e00, %sp)
	CHECK(w, 0x2222, %di)
	mov $0x1234, %ax
	iret
	.code32

/* ---- Virtual-8086 mode. ---- */

#define VM86(label, flags)             \
	movl $A(79f), A(resume);       \
	mov %esp, A(resume_esp);       \
	movl $-1, A(got_vector);       \
	push $0x40;                    \
	push $0x30;                    \
	push $0x20;                    \
	push $0x10;                    \
	push $0;                       \
	push $0x7600;                  \
	push $(0x20002 | (flags));     \
	push $0;                       \
	push $A(label);                \
	iret;                          \
79:
#define VM86_FAULT(label, flags, vector, code)  \
	VM86(label, flags)                      \
	CHECK(l, vector, A(got_vector))         \
	CHECK(l, code, A(got_code))

vm86:
	mov $0x8000, %esp
	VM86_FAULT(vm_segments, 0x3000, 0x80, 0)
	CHECK(l, 0, A(got_cs))
	CHECK(l, 0x23046, A(got_eflags))
	CHECK(l, 0, A(got_ss))
	CHECK(l, 0x7600, A(got_esp))
	CHECK(l, 0x10, A(got_vm_es))
	CHECK(l, 0x20, A(got_vm_es) + 4)
	CHECK(l, 0x30, A(got_vm_es) + 8)
	CHECK(l, 0x40, A(got_vm_es) + 12)
	VM86_FAULT(vm_int, 0, 13, 0)         /* IOPL below 3 */
	VM86_FAULT(vm_cli, 0, 13, 0)
	VM86_FAULT(vm_pushf, 0, 13, 0)
	VM86_FAULT(vm_iret, 0, 13, 0)
	VM86_FAULT(vm_int3, 0, 3, 0)
	VM86_FAULT(vm_hlt, 0x3000, 13, 0)
	VM86_FAULT(vm_sldt, 0x3000, 6, 0)
	VM86_FAULT(vm_in, 0x3000, 0x80, 0)   /* the bitmap decides, not IOPL */
	VM86_FAULT(vm_in_denied, 0x3000, 13, 0)
	VM86_FAULT(vm_int81, 0x3000, 13, 0x81 * 8 + 2)
	VM86_FAULT(vm_iret_real, 0x3000, 0x80, 0)
	CHECK(l, 0x7777, %ebx)
	/* CR4.VME, where there is: INT 0x41 stays in the 8086 program, CLI and STI act on VIF. */
	mov $1, %eax
	cpuid
	test $2, %edx
	jz 1f
	mov $1, %eax
	mov %eax, %cr4
	VM86_FAULT(vm_redirected, 0, 6, 0)
	mov A(got_eflags), %eax
	and $0x80200, %eax
	CHECK(l, 0x80000, %eax)
	VM86_FAULT(vm_int, 0, 13, 0)
1:	xor %eax, %eax
	mov %eax, %cr4
	jmp long_mode

	.code16
vm_segments:
	mov %ds, %ax
	CHECK(w, 0x20, %ax)
	mov $0, %ax
	mov %ax, %ss
	push %ss
	pop %ss
	int $0x80
vm_int:
	int $0x80
vm_cli:
	cli
vm_pushf:
	pushf
vm_iret:
	iret
vm_int3:
	int3
vm_hlt:
	hlt
vm_sldt:
	.byte 0x0f, 0x00, 0xc0
vm_in:
	in $PORT_DATA, %al
	int $0x80
vm_in_denied:
	in $0xf0, %al
vm_int81:
	int $0x81
vm_iret_real:
	mov $0x7777, %bx
	pushf
	push $0x10
	push $A(1f) - 0x100
	iret
1:	mov %cs, %ax
	CHECK(w, 0x10, %ax)
	int $0x80
vm_redirected:
	mov $0, %ax
	mov %ax, %ds
	sti
	int $0x41
	CHECK(w, 0x4141, %dx)
	pushf
	pop %ax
	and $0x200, %ax
	CHECK(w, 0x200, %ax) /* VIF shows as IF */
	ud2
vm_int41:
	pushf
	pop %dx
	and $0x200, %dx
	CHECK(w, 0, %dx)
	mov $0x4141, %dx
	iret
	.code32

/* ---- Long mode. ---- */

	/* Brings a vector to its handler with something in the place of an error code. */
	.macro stub number, has_code, handler
	.balign 16
	.if !(\has_code)
	push $0
	.endif
	push $\number
	jmp \handler
	.endm

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102

#define WRMSR(index, low, high) \
	mov $(index), %ecx;     \
	mov $(low), %eax;       \
	mov $(high), %edx;      \
	wrmsr;

long_mode:
	mov $0x20, %eax
	mov %eax, %cr4
	mov $CODE_TABLES, %eax
	mov %eax, %cr3
	WRMSR(MSR_EFER, 0x101, 0)
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	CHECK(l, 0x501, %eax)
	mov $7, %eax
	inc %eax /* compatibility mode so far: not a REX prefix */
	CHECK(l, 8, %eax)
	ljmp $0x100, $A(long64)

	.code64
long64:
	mov $0x108, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov $0x8000, %rsp
	lidt A(idt64_pointer)
	lgdt A(gdt_pointer)
	sgdt A(scratch)
	CHECK(w, gdt_end - gdt - 1, A(scratch))
	CHECK(q, A(gdt), A(scratch) + 2)
	xor %eax, %eax
	lldt %ax
	mov $0x110, %eax
	ltr %ax
	CHECK(b, 0x8b, A(gdt) + 0x110 + 5)
	mov $0x28, %eax
	FAULT64(13, 0x28, ltr %ax)
	/* Operands. */
	mov $-1, %rax
	mov %ds, %rax
	CHECK(q, 0x108, %rax)
	mov $-1, %rax
	str %rax
	CHECK(q, 0x110, %rax)
	mov $-1, %rax
	str %ax
	CHECK(q, -0x10000 + 0x110, %rax)
	mov %cr0, %rbx
	smsw %rax
	cmp %rax, %rbx
	setz %cl
	CHECK(b, 1, %cl)
	xor %eax, %eax
	mov %eax, %fs
	push %fs
	pop %gs
	CHECK(q, 0x8000, %rsp)
	mov $0x110, %eax
	lar %eax, %ebx
	CHECK(l, 0x8b00, %ebx)
	mov $0x120, %eax
	lar %eax, %ebx
	CHECK(l, 0xec00, %ebx)
	mov $0x38, %eax /* 16-bit types are none here */
	lar %eax, %ebx
	setz %cl
	CHECK(b, 0, %cl)

	/* Control registers. */
	mov $5, %eax
	mov %rax, %cr8
	mov %cr8, %rbx
	CHECK(q, 5, %rbx)
	mov $0x10, %eax
	FAULT64(13, 0, mov %rax, %cr8)
	xor %eax, %eax
	mov %rax, %cr8
	FAULT64(13, 0, mov %rax, %cr4)    /* without PAE */
	mov %cr0, %rax
	btr $31, %rax
	FAULT64(13, 0, mov %rax, %cr0)    /* not from 64-bit code */
	bts $32, %rax
	FAULT64(13, 0, mov %rax, %cr0)
	mov $-1, %rax
	FAULT64(13, 0, mov %rax, %dr7)
	mov %rax, %cr2
	mov %cr2, %rbx
	CHECK(q, -1, %rbx)

	/* Interrupts: the stack is aligned, SS and RSP are always saved; IST. */
	mov $0x7ff3, %rsp
	int $0x81
	CHECK(q, 0x7ff3, %rsp)
	CHECK(q, 0x7ff0 - 40, %rdx)
	int $0x54
	CHECK(q, 0x6800 - 40, %rdx)
	mov $0x8000, %rsp
	FAULT64(6, 0, ud2)
	FAULT64(3, 0, int3)
	CHECK(q, A(78b), A(got_rip))
	FAULT64(13, 0x90 * 8 + 2, int $0x90)
	FAULT64(13, 0x52 * 8 + 2, int $0x52) /* a task gate is none here */
	FAULT64(13, 0x08, int $0x53)         /* the handler is not 64-bit code */
	FAULT64(11, 0x50 * 8 + 2, int $0x50)

	/* Addresses. */
	movabs $0x8000000000000000, %rax
	mov %rax, %rbp
	FAULT64(13, 0, mov (%rax), %rbx)
	FAULT64(12, 0, mov (%rbp), %rbx)
	FAULT64(13, 0, jmp *%rax)
	mov $0x40000000, %eax
	FAULT64(14, 0, mov (%rax), %rbx)
	mov %cr2, %rbx
	CHECK(q, 0x40000000, %rbx)
	FAULT64(14, 2, mov %rbx, 8(%rax))
	mov %cr2, %rbx
	CHECK(q, 0x40000008, %rbx)
	/* A page fault whose handler is not present: a double fault. */
	andb $0x7f, A(idt64) + 14 * 16 + 5
	FAULT64(8, 0, mov (%rax), %rbx)
	CHECK(q, 0x6800 - 56, A(got_at))     /* on its own stack */
	orb $0x80, A(idt64) + 14 * 16 + 5
	/* An undefined instruction whose handler is not present is just that: EXT is set. */
	andb $0x7f, A(idt64) + 6 * 16 + 5
	FAULT64(11, 6 * 8 + 3, ud2)
	orb $0x80, A(idt64) + 6 * 16 + 5

	/* Far transfers: to compatibility mode and back, through a gate. */
	lcall *A(far_compatibility)
	CHECK(q, 0x8000, %rsp)
	CHECK(q, 0x3232, %rdx)
	lcall *A(far_gate64)
	CHECK(q, 0x8000, %rsp)
	CHECK(q, 0x4040, %rdx)
	FAULT64(13, 0x140, lcall *A(far_gate64_bad))
	ljmp *A(far_code64)
far_code64_target:
	mov %cs, %eax
	CHECK(l, 0x100, %eax)

	/* IRETQ: within level 0, with a null SS; what it refuses. */
	pushq $0
	pushq $0x7ab8
	pushq $0x40246
	pushq $0x100
	pushq $A(1f)
	iretq
1:	pushfq
	pop %rax
	CHECK(q, 0x40246, %rax)
	CHECK(q, 0x7ab8, %rsp)
	mov %ss, %eax
	CHECK(l, 0, %eax)
	mov $0x108, %eax
	mov %eax, %ss
	mov $0x8000, %rsp
	pushq $2
	popfq
	FAULT64(13, 0, pushq $0x4002; popfq; iretq)
	movabs $0x800000000000, %rax
	FAULT64(13, 0, pushq $0x108; pushq $0x7000; pushq $2; pushq $0x100; push %rax; iretq)
	FAULT64(13, 0, pushq $0; pushq $0x7000; pushq $2; pushq $0xfb; pushq $A(user64_plain); iretq)

	/* Bases. */
	WRMSR(MSR_FS_BASE, A(base_data), 0)
	mov %fs:8, %rax
	CHECK(q, 0x5a5a, %rax)
	WRMSR(MSR_KERNEL_GS_BASE, A(base_data) + 8, 0)
	swapgs
	mov %gs:0, %rax
	CHECK(q, 0x5a5a, %rax)
	swapgs
	FAULT64(6, 0, rdfsbase %rax)
	mov $7, %eax
	xor %ecx, %ecx
	cpuid
	test $1, %ebx
	jz 1f
	mov $0x10020, %eax
	mov %rax, %cr4
	rdfsbase %rax
	CHECK(q, A(base_data), %rax)
	mov $-1, %rax
	wrgsbase %rax
	rdgsbase %rbx
	CHECK(q, -1, %rbx)
	wrgsbase %eax
	rdgsbase %rbx
	shr $32, %rbx
	CHECK(q, 0, %rbx)
	movabs $0x8000000000000000, %rax
	FAULT64(13, 0, wrfsbase %rax)
	mov $0x20, %eax
	mov %rax, %cr4
1:

/* ---- Level 3 of long mode. ---- */

#define USER64(label, cs)              \
	movq $A(79f), A(resume64);     \
	mov %rsp, A(resume_rsp);       \
	movl $-1, A(got_vector);       \
	pushq $0xf3;                   \
	pushq $0x7800;                 \
	pushq $2;                      \
	pushq $(cs);                   \
	pushq $A(label);               \
	iretq;                         \
79:
#define USER64_FAULT(label, cs, vector, code)  \
	USER64(label, cs)                      \
	CHECK(l, vector, A(got_vector))        \
	CHECK(l, code, A(got_code))

	USER64_FAULT(user64_plain, 0xfb, 0x80, 0)
	CHECK(l, 0xfb, A(got_cs))
	CHECK(l, 0xf3, A(got_ss))
	CHECK(q, 0x77f8, A(got_rsp))
	CHECK(q, 0x6000 - 56, A(got_at))
	CHECK(l, 0, A(got_handler_ss))             /* null, with the new level */
	mov $0x108, %eax
	mov %eax, %ss
	USER64_FAULT(user64_hlt, 0xfb, 13, 0)
	USER64_FAULT(user64_swapgs, 0xfb, 13, 0)
	USER64_FAULT(user64_cr8, 0xfb, 13, 0)
	USER64_FAULT(user64_in, 0xfb, 13, 0)       /* this TSS has no bitmap */
	USER64_FAULT(user64_ist, 0xfb, 0x55, 0)
	CHECK(q, 0x6800 - 56, A(got_at))
	USER64_FAULT(user64_gate, 0xfb, 0x80, 0)
	CHECK(q, 0x4141, %rdx)
	USER64_FAULT(user_plain, 0xeb, 0x80, 0)    /* compatibility mode */
	CHECK(l, 0xeb, A(got_cs))
	CHECK(q, 0x7800 - 4, A(got_rsp))
	USER64_FAULT(user_gate64, 0xeb, 0x80, 0)
	CHECK(q, 0x4141, %rdx)
	/* SYSCALL and SYSRET. */
	FAULT64(13, 0, WRMSR(MSR_LSTAR, 0, 0x80000000))
	WRMSR(MSR_STAR, 0, 0x00eb0100)
	WRMSR(MSR_LSTAR, A(syscall64), 0)
	WRMSR(MSR_CSTAR, A(syscall32), 0)
	WRMSR(MSR_SFMASK, 0x600, 0)
	USER64_FAULT(user64_syscall, 0xfb, 0x80, 0)
	CHECK(q, 0x5555, %rdx)
	CHECK(l, 0xfb, A(got_cs))
	CHECK(l, 0xf3, A(got_ss))
	CHECK(l, 0x402, A(got_eflags))
	mov A(vendor), %eax
	cmp $0x756e6547, %eax
	je 1f
	USER64_FAULT(user_syscall, 0xeb, 0x80, 0)
	CHECK(q, 0x5656, %rdx)
	CHECK(l, 0xeb, A(got_cs))
	USER64_FAULT(user64_sysenter, 0xfb, 6, 0)
	USER64_FAULT(user_sysenter, 0xeb, 6, 0)
1:	WRMSR(MSR_EFER, 0x100, 0)
	USER64_FAULT(user64_syscall, 0xfb, 6, 0)
	FAULT64(6, 0, sysretq)

	/* And all the way back to real mode. */
	lidt A(idt_pointer)
	ljmp *A(far_leave)

	.code32
leave:
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	WRMSR(MSR_EFER, 0, 0)
	xor %eax, %eax
	mov %eax, %cr4
	mov $0x60, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	ljmp $0x58, $A(leave16)
	.code16
leave16:
	lidt A(idt_small)
	mov %cr0, %eax
	and $0xfe, %al
	mov %eax, %cr0
	ljmp $0, $A(1f)
1:	xor %ax, %ax
	mov %ax, %ss
	mov %ax, %ds
	mov %ax, %es
	mov $0x7000, %sp
	mov $0x1234, %ebx
	sti
	int $0x40
	CHECK(l, 0x5678, %ebx)
	mov $0x600d, %eax
	out %eax, $PORT_DONE
	hlt

	.code32
compatibility:
	mov $0x3232, %edx
	lret
user_gate64:
	push $0x77
	lcall $0x123, $0
	CHECK(l, 0x7800 - 4, %esp)
	int $0x80
user_syscall:
	mov $0x7700, %esp
	syscall
	int $0x80
	.code64
gate64_target:
	mov %cs, %eax
	cmp $0x100, %eax
	jne 1f
	testb $3, 8(%rsp)
	jnz 2f
	mov $0x4040, %edx
	lretq
1:	ud2
2:	CHECK(l, 0x100, %eax)
	CHECK(q, 0x6000 - 32, %rsp)
	CHECK(q, 0xf3, 24(%rsp))
	mov %ss, %eax
	CHECK(l, 0, %eax)
	mov $0x4141, %edx
	lretq
user64_plain:
	pushq $1
	int $0x80
user64_hlt:
	hlt
user64_swapgs:
	swapgs
user64_cr8:
	mov %cr8, %rax
user64_in:
	in $PORT_DATA, %al
user64_ist:
	int $0x55
user64_gate:
	lcall *A(far_gate64_user)
	CHECK(q, 0x7800, %rsp)
	int $0x80
user64_syscall:
	std
	syscall
	int $0x80
user64_sysenter:
	sysenter
syscall64:
	mov %cs, %eax
	CHECK(l, 0x100, %eax)
	mov %ss, %eax
	CHECK(l, 0x108, %eax)
	CHECK(q, 0x402, %r11)
	CHECK(q, 0x7800, %rsp)
	pushfq
	pop %rax
	and $0x600, %eax
	CHECK(l, 0, %eax)
	mov $0x5555, %edx
	sysretq
syscall32:
	mov %cs, %eax
	CHECK(l, 0x100, %eax)
	CHECK(q, 0x7700, %rsp)
	mov $0x5656, %edx
	sysretl

/* ---- Handlers of the long mode's IDT. ---- */

	.balign 16
stubs64:
	.set i, 0
	.rept 0x50
	stub i, (i == 8 || (i >= 10 && i <= 14) || i == 17), handler64
	.set i, i + 1
	.endr
	.balign 16
stub64_user:
	stub 0x80, 0, handler64
	.balign 16
stub64_ist:
	stub 0x55, 0, handler64
handler64:
	push %rax
	mov 8(%rsp), %eax
	mov %eax, A(got_vector)
	mov 16(%rsp), %eax
	mov %eax, A(got_code)
	mov 24(%rsp), %rax
	mov %rax, A(got_rip)
	mov 32(%rsp), %eax
	mov %eax, A(got_cs)
	mov 40(%rsp), %eax
	mov %eax, A(got_eflags)
	mov 48(%rsp), %rax
	mov %rax, A(got_rsp)
	mov 56(%rsp), %eax
	mov %eax, A(got_ss)
	mov %ss, %eax
	mov %eax, A(got_handler_ss)
	pop %rax
	mov %rsp, A(got_at)
	mov A(resume_rsp), %rsp
	pushq $2
	popfq
	jmp *A(resume64)

int81_64:
	mov %rsp, %rdx
	iretq

	.code32
/* ---- Handlers of the 32-bit IDT: note what came, go on where the code under test said. ---- */


	.balign 16
stubs32:
	.set i, 0
	.rept 0x50
	stub i, (i == 8 || (i >= 10 && i <= 14) || i == 17), handler32
	.set i, i + 1
	.endr
	.balign 8
stub_user: /* INT 0x80 of level 3 */
	push $0
	push $0x80
handler32:
	push %eax
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov 4(%esp), %eax
	mov %eax, A(got_vector)
	mov 8(%esp), %eax
	mov %eax, A(got_code)
	mov 12(%esp), %eax
	mov %eax, A(got_eip)
	mov 16(%esp), %eax
	mov %eax, A(got_cs)
	mov 20(%esp), %eax
	mov %eax, A(got_eflags)
	testl $0x20000, 20(%esp)
	jnz 1f
	testb $3, 16(%esp)
	jz 2f
1:	mov 24(%esp), %eax
	mov %eax, A(got_esp)
	mov 28(%esp), %eax
	mov %eax, A(got_ss)
2:	testl $0x20000, 20(%esp)
	jz 3f
	mov 32(%esp), %eax
	mov %eax, A(got_vm_es)
	mov 36(%esp), %eax
	mov %eax, A(got_vm_es) + 4
	mov 40(%esp), %eax
	mov %eax, A(got_vm_es) + 8
	mov 44(%esp), %eax
	mov %eax, A(got_vm_es) + 12
3:	pop %eax
	mov A(resume_esp), %esp
	pushl $2
	popf
	jmp *A(resume)

int81: /* vector 0x81, level 0 */
	mov $0x8181, %edx
	iret

/* ---- Data. ---- */
	.balign 8
resume: .long 0
resume_esp: .long 0
got_vector: .long 0
got_code: .long 0
got_eip: .long 0
got_cs: .long 0
got_eflags: .long 0
got_esp: .long 0
got_ss: .long 0
got_vm_es: .long 0, 0, 0, 0
got_handler_ss: .long 0
vendor: .long 0
resume64: .quad 0
resume_rsp: .quad 0
got_rip: .quad 0
got_rsp: .quad 0
got_at: .quad 0
base_data: .quad 0, 0x5a5a
scratch: .quad 0, 0
buffer: .quad 0, 0
counting: .byte 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
word_zero: .word 0
bounds: .long 6, 7
stack_far: .word 0x6ff0, 1
stack_back: .word 0x7000, 0
idt_small: .word 0x3ff
	.long 0
gdt_pointer: .word gdt_end - gdt - 1
	.long A(gdt), 0
idt64_pointer: .word idt64_end - idt64 - 1
	.quad A(idt64)
idt_pointer: .word idt_end - idt - 1
	.long A(idt), 0
far_code32: .long A(far_code32_target)
	.word 8
far_compatibility: .long A(compatibility)
	.word 8
far_leave: .long A(leave)
	.word 8
far_code64: .long A(far_code64_target)
	.word 0x100
far_gate64: .long 0
	.word 0x120
far_gate64_user: .long 0
	.word 0x123
far_gate64_bad: .long 0
	.word 0x140

	.macro descriptor base, limit, access, flags
	.word (\limit) & 0xffff
	.word (\base) & 0xffff
	.byte (\base) >> 16 & 0xff
	.byte \access
	.byte ((\limit) >> 16 & 0xf) | (\flags) << 4
	.byte (\base) >> 24 & 0xff
	.endm
	.macro gate offset, selector, access, count
	.word (\offset) & 0xffff
	.word \selector
	.byte \count
	.byte \access
	.word (\offset) >> 16
	.endm

	.balign 16
gdt:
	.quad 0
	descriptor 0, 0xfffff, 0x9b, 0xc                        /* 0x08 code, 32-bit */
	descriptor 0, 0xfffff, 0x92, 0xc                        /* 0x10 data */
	descriptor 0, 0xfffff, 0xfb, 0xc                        /* 0x18 code of level 3 */
	descriptor 0, 0xfffff, 0xf3, 0xc                        /* 0x20 data of level 3 */
	descriptor A(tss0), (tss0_end - tss0 - 1), 0x89, 0      /* 0x28 */
	descriptor A(tss1), 0x67, 0x89, 0                       /* 0x30 */
	descriptor A(tss16), 0x2b, 0x81, 0                      /* 0x38 */
	gate A(gate_target), 0x08, 0xec, 2                      /* 0x40 call gate */
	gate 0, 0x30, 0xe5, 0                                   /* 0x48 task gate */
	descriptor A(ldt), 15, 0x82, 0                          /* 0x50 */
	descriptor 0, 0xffff, 0x9b, 0                           /* 0x58 code, 16-bit */
	descriptor 0, 0xffff, 0x93, 0                           /* 0x60 data, 16-bit */
	descriptor 0, 0xfffff, 0x9f, 0xc                        /* 0x68 conforming code */
	descriptor 0, 0xfffff, 0x13, 0xc                        /* 0x70 data, not present */
	descriptor 0, 0xfffff, 0x91, 0xc                        /* 0x78 data, read-only */
	descriptor 0, 0xfffff, 0x99, 0xc                        /* 0x80 code, execute-only */
	descriptor 0, 0x3, 0x97, 0xc                            /* 0x88 data, expand-down */
	gate A(gate16_target), 0x08, 0xe4, 0                    /* 0x90 call gate, 16-bit */
	.quad 0, 0, 0, 0, 0                                     /* 0x98 */
	descriptor 0, 0xfffff, 0x1b, 0xc                        /* 0xc0 code, not present */
	.quad 0, 0                                              /* 0xc8 */
	descriptor A(tss1), 0x67, 0x09, 0                       /* 0xd8 TSS, not present */
	descriptor A(tss1), 0x66, 0x89, 0                       /* 0xe0 TSS, too small */
	descriptor 0, 0xfffff, 0xfb, 0xc                        /* 0xe8 code of level 3: SYSRET's order */
	descriptor 0, 0xfffff, 0xf3, 0xc                        /* 0xf0 data of level 3 */
	descriptor 0, 0xfffff, 0xfb, 0xa                        /* 0xf8 64-bit code of level 3 */
	descriptor 0, 0xfffff, 0x9b, 0xa                        /* 0x100 64-bit code */
	descriptor 0, 0xfffff, 0x93, 0xc                        /* 0x108 data */
	descriptor A(tss64), 0x67, 0x89, 0                      /* 0x110 */
	.quad 0
	gate A(gate64_target), 0x100, 0xec, 0                   /* 0x120 call gate */
	.quad 0
	.quad 0, 0                                              /* 0x130 */
	gate A(gate64_target), 0x100, 0xec, 0                   /* 0x140 call gate whose upper half has a type */
	.quad 0x00000c0000000000
gdt_end:
ldt:
	.quad 0
	descriptor 0x4000, 0xfff, 0x93, 0x4                     /* 0x0c */

	.balign 8
idt:
	.set i, 0
	.rept 0x50
	gate (A(stubs32) + i * 16), 0x08, (0x8e + (i == 3 || i == 4) * 0x60), 0 /* INT3 and INTO for level 3 too */
	.set i, i + 1
	.endr
	gate A(int81), 0x08, 0x0e, 0                            /* 0x50: not present */
	gate A(int81), 0x70, 0x8e, 0                            /* 0x51: its segment is data */
	gate 0, 0x30, 0xe5, 0                                   /* 0x52: a task */
	.fill (0x80 - 0x53) * 8, 1, 0
	gate A(stub_user), 0x08, 0xee, 0                        /* 0x80: for level 3 */
	gate A(int81), 0x08, 0x8e, 0                            /* 0x81 */
idt_end:

	.macro gate64 offset, selector, access, ist
	gate \offset, \selector, \access, \ist
	.quad 0
	.endm

	.balign 8
idt64:
	.set i, 0
	.rept 0x50
	gate64 (A(stubs64) + i * 16), 0x100, (0x8e + (i == 3 || i == 4) * 0x60), ((i == 8) & 1)
	.set i, i + 1
	.endr
	gate64 A(int81_64), 0x100, 0x0e, 0                      /* 0x50: not present */
	gate64 0, 0, 0, 0
	gate64 0, 0x30, 0xe5, 0                                 /* 0x52: a task */
	gate64 A(int81_64), 0x08, 0x8e, 0                       /* 0x53: not 64-bit code */
	gate64 A(int81_64), 0x100, 0x8e, 1                      /* 0x54: on another stack */
	gate64 A(stub64_ist), 0x100, 0xee, 1                    /* 0x55: the same for level 3 */
	.fill (0x80 - 0x56) * 16, 1, 0
	gate64 A(stub64_user), 0x100, 0xee, 0                   /* 0x80 */
	gate64 A(int81_64), 0x100, 0x8e, 0                      /* 0x81 */
idt64_end:

	.balign 8
tss64:
	.long 0
	.quad 0x6000, 0, 0, 0, 0x6800                           /* RSP0 ... RSP2, reserved, IST1 */
	.fill 0x66 - 44, 1, 0
	.word 0x68
	.balign 8
tss0:
	.long 0, 0x6000, 0x10
	.fill 0x66 - 12, 1, 0
	.word 0x88                                              /* the I/O bitmap, behind that of redirected interrupts */
	.fill 8, 1, 0xff                                        /* 0x68 ... 0x87: INT 0x41 is redirected */
	.byte 0xfd
	.fill 0x17, 1, 0xff
	.fill 0x1c, 1, 0xff                                     /* ports up to 0xdf */
	.byte 0x00, 0xff                                        /* 0xe0 ... 0xe7 are allowed */
	.byte 0xff, 0xff
tss0_end:
	.balign 8
tss1:
	.long 0, 0x6000, 0x10, 0, 0, 0, 0
	.long 0                                                 /* 0x1c CR3 */
	.long 0, 2                                              /* EIP, EFLAGS */
	.long 0, 0, 0, 0, 0x7f00, 0, 0, 0x1d1d1d1d              /* EAX ... EDI */
	.long 0x10, 0x08, 0x10, 0x10, 0, 0                      /* ES, CS, SS, DS, FS, GS */
	.long 0x50                                              /* LDT */
	.word 0, 0x68
	.balign 8
tss16:
	.word 0, 0x6000, 0x10, 0, 0, 0, 0
	.word A(task16), 2
	.word 0, 0, 0, 0, 0x7e00, 0, 0, 0x2222
	.word 0x10, 0x58, 0x10, 0x10
	.word 0x50
system_code_end:
	.section .note.GNU-stack, "", @progbits
