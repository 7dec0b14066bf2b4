/*
 * What can be written, register by register; of ID registers, bit by bit and field by field.
 */
#include "probe.h"

static void writab(const char *cfg, u64 f)
{
	struct vm v = ready(f);
	struct kvm_reg_list *l = list(v.vcpu);
	unsigned char o[512], t[512], r[512];
	unsigned same_ok = 0, ones_ok = 0, flip_ok = 0, ones_rb = 0;
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		unsigned n = rsize(id);
		const char *nm = rname(id);
		int vol = is_volatile_reg(id);
		/* a fresh VM per register for the VM-wide ones would be slow: the value is restored instead */
		memset(o, 0, 512);
		get(v.vcpu, id, o);
		set(v.vcpu, id, o);
		out(N("w.%s.%s.same", cfg, nm), 0);
		same_ok += !g_rc;
		memset(t, 0xff, n);
		set(v.vcpu, id, t);
		int rc = g_rc, e = g_errno;
		memset(r, 0, 512);
		get(v.vcpu, id, r);
		g_rc = rc;
		g_errno = e;
		out(N("w.%s.%s.ones", cfg, nm),
		    N("readback=%s", vol ? "volatile"
				     : strlen(hexval(r, n)) > 150
					 ? N("%u bytes, %s", n, memcmp(r, t, n) ? (memcmp(r, o, n) ? "other" : "old") : "written")
					 : hexval(r, n)));
		ones_ok += !rc;
		ones_rb += !rc && !memcmp(r, t, n);
		set(v.vcpu, id, o);
		if (g_rc && id != VLS)
			printf("w.%s.%s.restore_failed: %s\n", cfg, nm, errno_name(g_errno));
		memset(t, 0, n);
		set(v.vcpu, id, t);
		rc = g_rc;
		e = g_errno;
		memset(r, 0, 512);
		get(v.vcpu, id, r);
		g_rc = rc;
		g_errno = e;
		out(N("w.%s.%s.zero", cfg, nm), N("readback=%s", vol ? "volatile" : strlen(hexval(r, n)) > 150 ? "long" : hexval(r, n)));
		set(v.vcpu, id, o);
		memcpy(t, o, n);
		t[0] ^= 1;
		set(v.vcpu, id, t);
		rc = g_rc;
		e = g_errno;
		memset(r, 0, 512);
		get(v.vcpu, id, r);
		g_rc = rc;
		g_errno = e;
		out(N("w.%s.%s.flip0", cfg, nm), N("readback=%s", vol			       ? "volatile"
								  : strlen(hexval(r, n)) > 150 ? (memcmp(r, t, n) ? "old/other" : "written")
											       : hexval(r, n)));
		flip_ok += !rc;
		set(v.vcpu, id, o);
		memset(r, 0, 512);
		get(v.vcpu, id, r);
		if (!vol && memcmp(r, o, n))
			printf("w.%s.%s.not_restored: was=%s now=%s\n", cfg, nm, hexval(o, n), hexval(r, n));
	}
	printf("wsummary.%s: regs=%llu set_same_ok=%u set_ones_ok=%u ones_read_back=%u flip0_ok=%u\n", cfg, (unsigned long long)l->n, same_ok,
	       ones_ok, ones_rb, flip_ok);
	free(l);
	delvm(&v);
}

void sec_writable(void)
{
	printf("# H. writability of every listed register\n");
	writab("all", F_PSCI | F_PMU | F_SVE | F_PTR);
	writab("plain", F_PSCI);
	writab("el1_32", F_PSCI | F_32);
	/* bit and field maps of the feature ID registers */
	struct vm v = ready(F_PSCI | F_PMU | F_SVE | F_PTR);
	struct kvm_reg_list *l = list(v.vcpu);
	for (u64 i = 0; i < l->n; i++) {
		u64 id = l->reg[i];
		unsigned lo = id & 0xffff;
		if (((id >> 16) & 0xfff) != 0x13 || (lo >> 14) != 3 || ((lo >> 7) & 15) != 0 || ((lo >> 11) & 7) == 2 || ((lo >> 3) & 15) > 7)
			continue;
		u64 o = get64(v.vcpu, id), acc = 0, kept = 0;
		for (int b = 0; b < 64; b++) {
			set64(v.vcpu, id, o ^ BIT(b));
			if (!g_rc) {
				acc |= BIT(b);
				if (get64(v.vcpu, id) == (o ^ BIT(b)))
					kept |= BIT(b);
			}
			set64(v.vcpu, id, o);
		}
		printf("idbits.%s: value=0x%llx flip_accepted=0x%llx flip_kept=0x%llx\n", rname(id), (unsigned long long)o, (unsigned long long)acc,
		       (unsigned long long)kept);
		if (acc)
			for (int sft = 0; sft < 64; sft += 4) {
				unsigned ok = 0;
				for (u64 k = 0; k < 16; k++) {
					set64(v.vcpu, id, (o & ~(15ull << sft)) | k << sft);
					if (!g_rc)
						ok |= 1 << k;
				}
				set64(v.vcpu, id, o);
				if (ok & ~(1u << ((o >> sft) & 15)))
					printf("idfield.%s.%d: cur=%llu accepted=0x%04x\n", rname(id), sft, (unsigned long long)(o >> sft & 15), ok);
			}
	}
	free(l);
	delvm(&v);
}
