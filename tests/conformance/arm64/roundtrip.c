/*
 * Save, then restore in the list's order into another VM.
 */
#include "probe.h"

static void roundtrip(const char *cfg, u64 f)
{
	struct vm a = ready(f), b = newvm();
	struct kvm_reg_list *l = list(a.vcpu);
	unsigned char *o = calloc(l->n, 256), t[512];
	/* put a distinct value into everything that takes one */
	unsigned taken = 0;
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		unsigned cop = (id >> 16) & 0xfff, n = rsize(id), lo = id & 0xffff;
		if (cop == 0x14 || cop == 0x16 || id == PSTATE || id == VLS || is_volatile_reg(id))
			continue;
		if (cop == 0x13 && (lo >> 14) == 3 && !((lo >> 7) & 15))
			continue;
		memset(t, 0, 512);
		for (unsigned k = 0; k < n; k++)
			t[k] = 0x10 + i + k;
		if (cop == 0x10 && n == 4)
			memset(t + 1, 0, 3);
		set(a.vcpu, id, t);
		taken += !g_rc;
	}
	for (u64 i = 0; i < l->n; i++)
		get(a.vcpu, l->reg[i], o + 256 * i);
	init(b.vcpu, f);
	/* restore in list order; VLS must go before finalize, so try without first */
	unsigned fail = 0, diff = 0;
	int fz = 0;
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		set(b.vcpu, id, o + 256 * i);
		if (id == VLS && !g_rc) {
			finalize(b.vcpu, 4);
			fz = 1;
			out(N("rt.%s.finalize_after_vls", cfg), 0);
			continue;
		}
		if (g_rc) {
			fail++;
			out(N("rt.%s.restore.%s", cfg, rname(id)), hexval(o + 256 * i, rsize(id)));
		}
	}
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		memset(t, 0, 512);
		get(b.vcpu, id, t);
		if (!is_volatile_reg(id) && memcmp(t, o + 256 * i, rsize(id))) {
			diff++;
			printf("rt.%s.differs.%s: saved=%s restored=%s\n", cfg, rname(id), hexval(o + 256 * i, rsize(id)), hexval(t, rsize(id)));
		}
	}
	printf("rt.%s.summary: regs=%llu dirtied=%u restore_failed=%u differ=%u finalized=%d\n", cfg, (unsigned long long)l->n, taken, fail, diff,
	       fz);
	free(o);
	free(l);
	delvm(&a);
	delvm(&b);
}

void sec_roundtrip(void)
{
	printf("# I. save, then restore in list order into a fresh VM\n");
	roundtrip("plain", F_PSCI);
	roundtrip("pmu", F_PSCI | F_PMU);
	roundtrip("sve", F_PSCI | F_SVE);
	roundtrip("ptrauth", F_PSCI | F_PTR);
	roundtrip("all", F_PSCI | F_PMU | F_SVE | F_PTR);
	roundtrip("el1_32", F_PSCI | F_32);
}
