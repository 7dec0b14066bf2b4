/*
 * Atomic memory operations (FEAT_LSE): LDADD ... LDUMIN, SWP; and LDAPR (FEAT_LRCPC), which is encoded among them. All are the host's, seq_cst.
 */
#include "arm64/cpu/decode.h"
#include "arm64/cpu/mem.h"

enum { LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, SWP };

#define DEFINE_OPERATION(bits, type, stype)                                                                                    \
	static type operation_##bits(type *host, unsigned int operation, type value)                                           \
	{                                                                                                                      \
		type old;                                                                                                      \
                                                                                                                               \
		switch (operation) {                                                                                           \
		case LDADD: return __atomic_fetch_add(host, value, __ATOMIC_SEQ_CST);                                          \
		case LDCLR: return __atomic_fetch_and(host, (type)~value, __ATOMIC_SEQ_CST);                                   \
		case LDEOR: return __atomic_fetch_xor(host, value, __ATOMIC_SEQ_CST);                                          \
		case LDSET: return __atomic_fetch_or(host, value, __ATOMIC_SEQ_CST);                                           \
		case SWP: return __atomic_exchange_n(host, value, __ATOMIC_SEQ_CST);                                           \
		}                                                                                                              \
		old = __atomic_load_n(host, __ATOMIC_SEQ_CST);                                                                 \
		for (;;) {                                                                                                     \
			bool keep = operation == LDSMAX ? (stype)old > (stype)value : operation == LDSMIN ? (stype)old < (stype)value : \
				    operation == LDUMAX ? old > value : old < value;                                           \
                                                                                                                               \
			if (__atomic_compare_exchange_n(host, &old, keep ? old : value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
				return old;                                                                                    \
		}                                                                                                              \
	}
DEFINE_OPERATION(8, uint8_t, int8_t)
DEFINE_OPERATION(16, uint16_t, int16_t)
DEFINE_OPERATION(32, uint32_t, int32_t)
DEFINE_OPERATION(64, uint64_t, int64_t)

/* `shift` is the operation, `m` Rs, `d` Rt. */
static void atomic_memory(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	uint64_t address = cpu->x[insn->n], value = cpu->x[insn->m];
	void *host;

	if (address & insn->a && !a64_sp_check(cpu, insn, address))
		return;
	host = a64_atomic(cpu, insn, address, insn->size, true);
	if (!host)
		return;
	switch (insn->size) {
	case 1: value = operation_8(host, insn->shift, (uint8_t)value); break;
	case 2: value = operation_16(host, insn->shift, (uint16_t)value); break;
	case 4: value = operation_32(host, insn->shift, (uint32_t)value); break;
	default: value = operation_64(host, insn->shift, value); break;
	}
	cpu->x[insn->d] = value;
	a64_next(cpu, insn);
}

/* LDAPR is LDAR but for what it does not order: nothing is lost by more. */
static __attribute__((noinline)) bool ldapr_done(struct arm64_vcpu *cpu, const struct a64_insn *insn)
{
	unsigned int flags = MEM_MMIO_OK | (insn->size == 8 ? MEM_MMIO_WIDE : 0);
	uint64_t address = cpu->x[insn->n], value = 0;

	if (address & insn->a && !a64_sp_check(cpu, insn, address))
		return false;
	if (address & (insn->size - 1u)) {
		a64_read_slow(cpu, insn, address, &value, insn->size, flags | MEM_ALIGNED);
		return false;
	}
	switch (insn->size) {
	case 1: if (!a64_read(cpu, insn, address, &value, 1, flags)) return false; break;
	case 2: if (!a64_read(cpu, insn, address, &value, 2, flags)) return false; break;
	case 4: if (!a64_read(cpu, insn, address, &value, 4, flags)) return false; break;
	default: if (!a64_read(cpu, insn, address, &value, 8, flags)) return false; break;
	}
	atomic_thread_fence(memory_order_seq_cst);
	cpu->x[insn->d] = value;
	return true;
}

HANDLER_IF(ldapr, ldapr_done(cpu, insn))

a64_fn *decode_atomic(struct a64_decode *decode, struct a64_insn *insn)
{
	unsigned int operation = bits(insn->word, 15, 12);

	insn->size = (uint8_t)(1u << bits(insn->word, 31, 30));
	insn->n = reg_sp(decode, bits(insn->word, 9, 5));
	insn->m = reg_read(bits(insn->word, 20, 16));
	insn->d = reg_write(bits(insn->word, 4, 0));
	insn->a = bits(insn->word, 9, 5) == 31 && decode->mode & A64_MODE_SP_ALIGN ? 15 : 0;
	insn->shift = (uint8_t)operation;
	if (operation <= SWP)
		return atomic_memory;
	return operation == 12 && bits(insn->word, 23, 22) == 2 && insn->m == X_ZERO ? ldapr : NULL;
}
