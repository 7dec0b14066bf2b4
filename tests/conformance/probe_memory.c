/* Memory slots: which are taken, which are refused, and dirty logs. */
#include "probe.h"

static void slot_try(int f, const char *name, struct kvm_userspace_memory_region slot)
{
	answer(CALL(f, KVM_SET_USER_MEMORY_REGION, &slot), "memslot.%s", name);
}

static void probe_slots(int f, u8 *mem)
{
	static const struct {
		const char *name;

		struct kvm_userspace_memory_region slot; /* slot, flags, guest address, size, host address */
		int relative;				 /* host address counts from mem */
	} tries[] = {
	    {"new", {0, 0, 0, 0x10000, 0}, 1},
	    {"same_again", {0, 0, 0, 0x10000, 0}, 1},
	    {"overlap", {1, 0, 0x8000, 0x10000, 0}, 1},
	    {"unaligned_gpa", {1, 0, 0x20800, 0x1000, 0}, 1},
	    {"unaligned_size", {1, 0, 0x20000, 0x800, 0}, 1},
	    {"unaligned_hva", {1, 0, 0x20000, 0x1000, 8}, 1},
	    {"badflags8", {1, 8, 0x20000, 0x1000, 0}, 1},
	    {"guest_memfd_flag4", {1, 4, 0x20000, 0x1000, 0}, 1},
	    {"readonly", {1, 2, 0x20000, 0x1000, 0}, 1},
	    {"readonly_to_rw", {1, 0, 0x20000, 0x1000, 0}, 1},
	    {"resize", {0, 0, 0, 0x8000, 0}, 1},
	    {"move", {0, 0, 0x40000, 0x10000, 0}, 1},
	    {"change_hva", {0, 0, 0x40000, 0x10000, 0x1000}, 1},
	    {"add_dirtylog", {0, 1, 0x40000, 0x10000, 0}, 1},
	    {"delete_nonexist", {7, 0, 0, 0, 0}, 0},
	    {"wrap", {2, 0, ~0xfffULL, 0x2000, 0}, 1},
	    {"hva_kernel", {2, 0, 0x100000, 0x1000, 0xffff800000000000ULL}, 0},
	    {"slot32763", {32763, 0, 0x200000, 0x1000, 0}, 1},
	    {"slot32764", {32764, 0, 0x300000, 0x1000, 0}, 1},
	    {"slot65535", {65535, 0, 0x300000, 0x1000, 0}, 1},
	    {"as1_slot0", {0x10000, 0, 0, 0x1000, 0}, 1},
	    {"as2_slot0", {0x20000, 0, 0, 0x1000, 0}, 1},
	    {"gpa_52bit", {3, 0, 1ULL << 52, 0x1000, 0}, 1},
	    {"gpa_2^46", {4, 0, 1ULL << 46, 0x1000, 0}, 1},
	    {"hva_unmapped", {5, 0, 0x400000, 0x1000, 0x7000}, 0},
	    {"delete", {0, 0, 0, 0, 0}, 0},
	};

	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		struct kvm_userspace_memory_region slot = tries[i].slot;

		if (tries[i].relative)
			slot.userspace_addr += (u64)mem;
		slot_try(f, tries[i].name, slot);
	}
}

static void probe_dirty_log(int f, u8 *mem)
{
	static u64 bm[64];
	struct kvm_dirty_log dl = {.slot = 0, .dirty_bitmap = bm};

	answer(CALL(f, KVM_GET_DIRTY_LOG, &dl), "DIRTY_LOG.deleted");
	dl.slot = 32763;
	answer(CALL(f, KVM_GET_DIRTY_LOG, &dl), "DIRTY_LOG.notlogging");
	slot_try(f, "log", (struct kvm_userspace_memory_region){6, 1, 0x500000, 0x2000, (u64)mem});
	dl.slot = 6;
	answer(CALL(f, KVM_GET_DIRTY_LOG, &dl), "DIRTY_LOG.ok");
	dl.slot = 0x20006;
	answer(CALL(f, KVM_GET_DIRTY_LOG, &dl), "DIRTY_LOG.badas");
}

void probe_memory(void)
{
	int f = ioctl(kvm, KVM_CREATE_VM, 0L);
	u8 *mem = mmap(0, 0x100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	say("## memslots");
	probe_slots(f, mem);
	probe_dirty_log(f, mem);
	close(f);
}
