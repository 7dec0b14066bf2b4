/*
 * Pairs of common instructions as one handler: half the indirect jumps, which is what irregular code spends its time on. The record of
 * the second instruction stays what it is, and is where its faults and rare cases go on from; so nothing else knows of pairs.
 */
#include "x86/cpu/alu.h"
#include "x86/cpu/branch.h"
#include "x86/cpu/fuse.h"
#include "x86/cpu/move.h"
#include "x86/cpu/muldiv.h"
#include "x86/cpu/shift.h"
#include "x86/cpu/stack.h"

/* Name; handler; what does what the fast template leaves over; the template and its arguments. */
#define OPERATION(name, slow_handler, template, ...)                                              \
	TEMPLATE enum step name(struct x86_vcpu *cpu, const struct insn *insn)                    \
	{                                                                                         \
		return template(cpu, insn, PATH_FAST, __VA_ARGS__);                               \
	}                                                                                         \
	TEMPLATE void name##_otherwise(struct x86_vcpu *cpu, const struct insn *insn)             \
	{                                                                                         \
		slow_handler(cpu, insn);                                                          \
	}

#define ALU(op, size, form) OPERATION(op##_##size##_##form, alu_slow, alu, ALU_##op, size, FORM_##form)
#define MOVE(size, form) OPERATION(MOV_##size##_##form, move_slow, move, size, FORM_##form)
#define SHIFT(op, size) OPERATION(op##_##size, shift_slow, shift, SHIFT_##op, size, false, false)

MOVE(8, RR) MOVE(4, RR) MOVE(8, RM) MOVE(4, RM) MOVE(8, MR) MOVE(4, MR) MOVE(4, RI)
OPERATION(MOVZX_1_4, move_extend_slow, move_extend, false, 1, 4, true)
OPERATION(LEA_8, lea_8, lea, 8, 8)
OPERATION(LEA_SIMPLE_8, lea_simple_8, lea_simple, 8)
ALU(ADD, 8, RR) ALU(ADD, 8, RI) ALU(ADD, 4, RR) ALU(ADD, 4, RI) ALU(SUB, 8, RR) ALU(SUB, 8, RI) ALU(AND, 8, RI) ALU(AND, 4, RI)
ALU(XOR, 8, RR) ALU(XOR, 4, RR) ALU(OR, 8, RR)
SHIFT(SHL, 8) SHIFT(SHR, 8) SHIFT(SHL, 4) SHIFT(SHR, 4) SHIFT(ROL, 8)
OPERATION(IMUL_8_RRI, multiply_slow, multiply, 8, REGISTER_BY_IMMEDIATE)
OPERATION(IMUL_8_RR, multiply_slow, multiply, 8, REGISTER_BY_REGISTER)
OPERATION(PUSH_8, push_slow, push, STACK_64, 8, SOURCE_REGISTER)
OPERATION(POP_8, pop_register_slow, pop_register, STACK_64, 8)
ALU(CMP, 8, RR) ALU(CMP, 4, RR) ALU(CMP, 8, RI) ALU(CMP, 4, RI) ALU(CMP, 1, RI) ALU(CMP, 8, RM) ALU(CMP, 4, RM) ALU(CMP, 8, MI) ALU(CMP, 4, MI) ALU(CMP, 1, MI)
ALU(TEST, 8, RR) ALU(TEST, 4, RR) ALU(TEST, 1, RR) ALU(TEST, 1, RI) ALU(TEST, 1, MI)
OPERATION(DEC_8, alu_unary_slow, alu_unary_register, ALU_DEC, 8)
OPERATION(DEC_4, alu_unary_slow, alu_unary_register, ALU_DEC, 4)

#define FIRST(X)                                                                                                                           \
	X(MOV_8_RR, move_handlers[8][FORM_RR]) X(MOV_4_RR, move_handlers[4][FORM_RR]) X(MOV_8_RM, move_handlers[8][FORM_RM])               \
	X(MOV_4_RM, move_handlers[4][FORM_RM]) X(MOV_8_MR, move_handlers[8][FORM_MR]) X(MOV_4_MR, move_handlers[4][FORM_MR])               \
	X(MOV_4_RI, move_handlers[4][FORM_RI]) X(MOVZX_1_4, move_extend_handlers[1][4][0][1])                                              \
	X(ADD_8_RR, alu_handlers[ALU_ADD][8][FORM_RR]) X(ADD_8_RI, alu_handlers[ALU_ADD][8][FORM_RI])                                      \
	X(ADD_4_RR, alu_handlers[ALU_ADD][4][FORM_RR]) X(ADD_4_RI, alu_handlers[ALU_ADD][4][FORM_RI])                                      \
	X(SUB_8_RR, alu_handlers[ALU_SUB][8][FORM_RR]) X(SUB_8_RI, alu_handlers[ALU_SUB][8][FORM_RI])                                      \
	X(AND_8_RI, alu_handlers[ALU_AND][8][FORM_RI]) X(AND_4_RI, alu_handlers[ALU_AND][4][FORM_RI])                                      \
	X(XOR_8_RR, alu_handlers[ALU_XOR][8][FORM_RR]) X(XOR_4_RR, alu_handlers[ALU_XOR][4][FORM_RR])                                      \
	X(OR_8_RR, alu_handlers[ALU_OR][8][FORM_RR])                                                                                       \
	X(SHL_8, shift_handlers[SHIFT_SHL][8][0]) X(SHR_8, shift_handlers[SHIFT_SHR][8][0]) X(SHL_4, shift_handlers[SHIFT_SHL][4][0])      \
	X(SHR_4, shift_handlers[SHIFT_SHR][4][0]) X(ROL_8, shift_handlers[SHIFT_ROL][8][0])                                                \
	X(IMUL_8_RRI, multiply_handlers[8][REGISTER_BY_IMMEDIATE]) X(IMUL_8_RR, multiply_handlers[8][REGISTER_BY_REGISTER])

#define SECOND(X, first)                                                                                                                   \
	X(first, MOV_8_RR) X(first, MOV_4_RR) X(first, MOV_8_RM) X(first, MOV_4_RM) X(first, MOV_8_MR) X(first, MOV_4_MR)                  \
	X(first, MOV_4_RI) X(first, MOVZX_1_4) X(first, ADD_8_RR) X(first, ADD_8_RI)                                                       \
	X(first, ADD_4_RR) X(first, ADD_4_RI) X(first, SUB_8_RR) X(first, SUB_8_RI) X(first, AND_8_RI) X(first, AND_4_RI)                  \
	X(first, XOR_8_RR) X(first, XOR_4_RR) X(first, OR_8_RR) X(first, SHL_8) X(first, SHR_8) X(first, SHL_4) X(first, SHR_4) X(first, ROL_8)            \
	X(first, IMUL_8_RRI) X(first, IMUL_8_RR)

#define PAIR(first, second)                                                                       \
	static void first##_##second(struct x86_vcpu *cpu, const struct insn *insn)               \
	{                                                                                         \
		enum step step = first(cpu, insn);                                                \
                                                                                                  \
		if (unlikely(step != STEP_NEXT)) {                                                \
			if (step == STEP_SLOW)                                                    \
				first##_otherwise(cpu, insn);                                     \
			return;                                                                   \
		}                                                                                 \
		step = second(cpu, insn + 1);                                                     \
		if (likely(step == STEP_NEXT))                                                    \
			insn_next(cpu, insn + 1);                                                 \
		else if (step == STEP_SLOW)                                                       \
			second##_otherwise(cpu, insn + 1);                                        \
	}
#define PAIRS(first, handler) SECOND(PAIR, first)

FIRST(PAIRS)

#define HANDLER_OF(first, handler) &handler,
static insn_fn *const *const common[] = { FIRST(HANDLER_OF) };
enum { COMMON = sizeof common / sizeof common[0] };
#define ENTRY(first, second) first##_##second,
#define ROW(first, handler) { SECOND(ENTRY, first) },
static insn_fn *const pairs[COMMON][COMMON] = { FIRST(ROW) };

/* ---- Comparisons and conditional jumps. ---- */

#define COMPARISON(X)                                                                                                                      \
	X(CMP_8_RR, alu_handlers[ALU_CMP][8][FORM_RR]) X(CMP_4_RR, alu_handlers[ALU_CMP][4][FORM_RR])                                      \
	X(CMP_8_RI, alu_handlers[ALU_CMP][8][FORM_RI]) X(CMP_4_RI, alu_handlers[ALU_CMP][4][FORM_RI])                                      \
	X(CMP_1_RI, alu_handlers[ALU_CMP][1][FORM_RI]) X(CMP_8_RM, alu_handlers[ALU_CMP][8][FORM_RM])                                      \
	X(CMP_4_RM, alu_handlers[ALU_CMP][4][FORM_RM]) X(CMP_8_MI, alu_handlers[ALU_CMP][8][FORM_MI])                                      \
	X(CMP_4_MI, alu_handlers[ALU_CMP][4][FORM_MI]) X(CMP_1_MI, alu_handlers[ALU_CMP][1][FORM_MI])                                      \
	X(TEST_8_RR, alu_handlers[ALU_TEST][8][FORM_RR]) X(TEST_4_RR, alu_handlers[ALU_TEST][4][FORM_RR])                                  \
	X(TEST_1_RR, alu_handlers[ALU_TEST][1][FORM_RR]) X(TEST_1_RI, alu_handlers[ALU_TEST][1][FORM_RI])                                  \
	X(TEST_1_MI, alu_handlers[ALU_TEST][1][FORM_MI])                                                                                   \
	X(DEC_8, alu_unary_handlers[ALU_DEC][8][0]) X(DEC_4, alu_unary_handlers[ALU_DEC][4][0]) X(SHR_8, shift_handlers[SHIFT_SHR][8][0])

#define CONDITIONS(X, comparison)                                                                                                         \
	X(comparison, 2) X(comparison, 3) X(comparison, 4) X(comparison, 5) X(comparison, 6) X(comparison, 7) X(comparison, 8)            \
	X(comparison, 9) X(comparison, 12) X(comparison, 13) X(comparison, 14) X(comparison, 15)

#define BRANCH(comparison, condition)                                                             \
	static void comparison##_jump_##condition(struct x86_vcpu *cpu, const struct insn *insn)  \
	{                                                                                         \
		enum step step = comparison(cpu, insn);                                           \
                                                                                                  \
		if (likely(step == STEP_NEXT))                                                    \
			jump_conditional(cpu, insn + 1, condition, true);                         \
		else if (step == STEP_SLOW)                                                       \
			comparison##_otherwise(cpu, insn);                                        \
	}
#define BRANCHES(comparison, handler) CONDITIONS(BRANCH, comparison)

COMPARISON(BRANCHES)

#define COMPARISON_OF(comparison, handler) &handler,
static insn_fn *const *const comparisons[] = { COMPARISON(COMPARISON_OF) };
enum { COMPARISONS = sizeof comparisons / sizeof comparisons[0] };
#define BRANCH_ENTRY(comparison, condition) [condition] = comparison##_jump_##condition,
#define BRANCH_ROW(comparison, handler) { CONDITIONS(BRANCH_ENTRY, comparison) },
static insn_fn *const branches[COMPARISONS][16] = { COMPARISON(BRANCH_ROW) };

/* ---- A block's pairs. ---- */

static unsigned int place(insn_fn *const *const *list, unsigned int count, insn_fn *run)
{
	unsigned int i = 0;

	while (i < count && *list[i] != run)
		i++;
	return i;
}

static insn_fn *pair(const struct insn *insn)
{
	unsigned int comparison, first, second;

	if (insn[1].flags & INSN_ENDS_BLOCK) {
		comparison = place(comparisons, COMPARISONS, insn[0].run);
		if (comparison < COMPARISONS && insn[1].extra < 16 && insn[1].run == jump_conditional_handlers[insn[1].extra][1])
			return branches[comparison][insn[1].extra];
		return NULL;
	}
	first = place(common, COMMON, insn[0].run);
	second = first < COMMON ? place(common, COMMON, insn[1].run) : COMMON;
	return second < COMMON ? pairs[first][second] : NULL;
}

void insns_fuse(struct insn *insns, unsigned int count)
{
	insn_fn *run;

	/* From the end, for the sake of the comparison before the branch. */
	for (unsigned int i = count; i-- > 1;) {
		run = pair(&insns[i - 1]);
		if (run) {
			insns[i - 1].run = run;
			i--;
		}
	}
}
