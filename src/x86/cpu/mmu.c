/*
 * Linear to host addresses: paging of all kinds, the translation cache, and every access that the fast paths of mem.h leave
 * over: page crossings, holes, MMIO, the local APIC's page, watchpoints and faults. SDM Vol. 3A, chapter 4.
 */
#include <errno.h>

#include "core/user.h"
#include "core/why.h"
#include "x86/cpu/exec.h"
#include "x86/cpu/mem.h"
#include "x86/irqchip.h"

#define PTE_P (UINT64_C(1) << 0)
#define PTE_W (UINT64_C(1) << 1)
#define PTE_U (UINT64_C(1) << 2)
#define PTE_A (UINT64_C(1) << 5)
#define PTE_D (UINT64_C(1) << 6)
#define PTE_PS (UINT64_C(1) << 7)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

/* Page-fault error code: SDM Vol. 3A, 4.7. */
#define PF_P 1u
#define PF_W 2u
#define PF_U 4u
#define PF_RSVD 8u
#define PF_I 16u
#define PF_PK 32u

enum walk_result { WALK_OK, WALK_FAULT, WALK_HOLE };

struct walk {
	enum tlb_access access;
	bool user;     /* privilege of the access */
	bool implicit; /* supervisor access that EFLAGS.AC does not free from SMAP */
	bool pretend;  /* change nothing: no accessed and dirty bits */
	/* Results. */
	uint64_t gpa;
	uint32_t error_code;
};

/* Where one page of an access leads. */
struct place {
	uint64_t gpa;
	uint64_t host; /* 0: not memory (or not writable memory), so MMIO */
	struct slot *slot;
};

/* ---- The walk. ---- */

static bool linear_canonical(const struct x86_vcpu *cpu, uint64_t linear)
{
	unsigned int shift = 64 - cpu->address_bits;

	return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}

static uint64_t physical_reserved(const struct x86_vcpu *cpu)
{
	return PTE_ADDRESS & ~((UINT64_C(1) << cpu->physical_bits) - 1);
}

static struct slot *gpa_slot(struct x86_vcpu *cpu, uint64_t gpa)
{
	return slot_find(vm_slots(cpu->vcpu.vm, 0), gpa >> PAGE_SHIFT);
}

/* Host address of a paging-structure entry, or 0. */
static uint64_t entry_host(struct x86_vcpu *cpu, uint64_t gpa, struct slot **slot)
{
	*slot = gpa_slot(cpu, gpa);
	return *slot ? slot_hva(*slot, gpa) : 0;
}

/* One level: its entry is read, checked for presence and reserved bits, and gathered into the walk's rights. */
struct level {
	uint64_t entry, host, gpa;
	struct slot *slot;
};

static bool entry_read(struct x86_vcpu *cpu, struct level *level, uint64_t gpa, unsigned int size)
{
	level->gpa = gpa;
	level->host = entry_host(cpu, gpa, &level->slot);
	if (!level->host)
		return false;
	if (size == 4)
		level->entry = *(const volatile guest32 *)level->host;
	else
		level->entry = *(const volatile guest64 *)level->host;
	return true;
}

/* Sets bits in an entry unless it has changed since it was read; false: walk again. */
static bool entry_set(struct level *level, uint64_t bits, unsigned int size)
{
	bool done;

	if ((level->entry & bits) == bits)
		return true;
	if (size == 4) {
		uint32_t old = (uint32_t)level->entry;

		done = __atomic_compare_exchange_n((uint32_t *)level->host, &old, old | (uint32_t)bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	} else {
		uint64_t old = level->entry;

		done = __atomic_compare_exchange_n((uint64_t *)level->host, &old, old | bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	if (done) {
		level->entry |= bits;
		slot_mark_dirty(level->slot, level->gpa >> PAGE_SHIFT);
	}
	return done;
}

static uint32_t walk_error(const struct x86_vcpu *cpu, const struct walk *walk)
{
	uint32_t error = (walk->access == TLB_WRITE ? PF_W : 0) | (walk->user ? PF_U : 0);

	/* I/D is reported only where fetches can fault for being fetches. */
	if (walk->access == TLB_FETCH && ((cpu->efer & EFER_NXE && cpu->cr4 & CR4_PAE) || cpu->cr4 & CR4_SMEP))
		error |= PF_I;
	return error;
}

/* SDM Vol. 3A, 4.6.1: whether the rights gathered on the way allow the access. Returns the error code's P and PK bits, or 0. */
static uint32_t rights_check(const struct x86_vcpu *cpu, const struct walk *walk, bool writable, bool user_page, bool nx, unsigned int key)
{
	bool write = walk->access == TLB_WRITE, fetch = walk->access == TLB_FETCH;

	if (walk->user ? !user_page : fetch && user_page && cpu->cr4 & CR4_SMEP)
		return PF_P;
	if (!walk->user && !fetch && user_page && cpu->cr4 & CR4_SMAP && (walk->implicit || !(cpu->rflags & FLAG_AC)))
		return PF_P;
	if (write && !writable && (walk->user || cpu->cr0 & CR0_WP))
		return PF_P;
	if (fetch && nx)
		return PF_P;
	/* Protection keys: 4.6.2. User pages only, never fetches, only in IA-32e paging. */
	if (!fetch && user_page && cpu->cr4 & CR4_PKE && cpu->efer & EFER_LMA) {
		uint32_t pkru = cpu->xsave.pkru >> (2 * key);

		if (pkru & 1 || (write && pkru & 2 && (walk->user || cpu->cr0 & CR0_WP)))
			return PF_P | PF_PK;
	}
	return 0;
}

/* 32-bit paging: two levels of 4-byte entries (4.3). */
static enum walk_result walk_legacy(struct x86_vcpu *cpu, struct walk *walk, uint64_t linear)
{
	struct level pde, pte;
	bool writable, user;

	walk->error_code = walk_error(cpu, walk);
	if (!entry_read(cpu, &pde, (cpu->cr3 & 0xfffff000) | ((linear >> 22 & 0x3ff) << 2), 4) || !(pde.entry & PTE_P))
		return WALK_FAULT;
	writable = pde.entry & PTE_W;
	user = pde.entry & PTE_U;
	if (pde.entry & PTE_PS && cpu->cr4 & CR4_PSE) {
		/* PSE-36: bits 20:13 are address bits 39:32; bit 21 and those beyond MAXPHYADDR are reserved. */
		uint64_t high = (pde.entry >> 13 & 0xff) << 32;
		uint32_t denied;

		if (pde.entry & (1u << 21) || high & physical_reserved(cpu)) {
			walk->error_code |= PF_P | PF_RSVD;
			return WALK_FAULT;
		}
		denied = rights_check(cpu, walk, writable, user, false, 0);
		walk->error_code |= denied;
		if (denied)
			return WALK_FAULT;
		if (!walk->pretend && !entry_set(&pde, PTE_A | (walk->access == TLB_WRITE ? PTE_D : 0), 4))
			return walk_legacy(cpu, walk, linear);
		walk->gpa = high | (pde.entry & 0xffc00000) | (linear & 0x3fffff);
		return WALK_OK;
	}
	if (!entry_read(cpu, &pte, (pde.entry & 0xfffff000) | ((linear >> 12 & 0x3ff) << 2), 4) || !(pte.entry & PTE_P))
		return WALK_FAULT;
	writable = writable && pte.entry & PTE_W;
	user = user && pte.entry & PTE_U;
	uint32_t denied = rights_check(cpu, walk, writable, user, false, 0);
	walk->error_code |= denied;
	if (denied)
		return WALK_FAULT;
	if (!walk->pretend && (!entry_set(&pde, PTE_A, 4) || !entry_set(&pte, PTE_A | (walk->access == TLB_WRITE ? PTE_D : 0), 4)))
		return walk_legacy(cpu, walk, linear);
	walk->gpa = (pte.entry & 0xfffff000) | (linear & 0xfff);
	return WALK_OK;
}

/* PAE, 4-level and 5-level paging: 8-byte entries (4.4, 4.5). One try; WALK_HOLE here means: an entry changed, walk again. */
static enum walk_result walk_wide_once(struct x86_vcpu *cpu, struct walk *walk, uint64_t linear)
{
	bool pae = !(cpu->efer & EFER_LMA), writable = true, user = true, nx = false, large = false;
	unsigned int level = pae ? 2 : cpu->cr4 & CR4_LA57 ? 5 : 4, shift = 12, depth = 0;
	uint64_t table, reserved = physical_reserved(cpu) | (cpu->efer & EFER_NXE ? 0 : PTE_NX), offset;
	struct level levels[5];
	uint32_t denied;

	walk->error_code = walk_error(cpu, walk);
	if (pae) {
		uint64_t pdpte = cpu->pdptr[linear >> 30 & 3];

		if (!(pdpte & PTE_P))
			return WALK_FAULT;
		table = pdpte & PTE_ADDRESS;
		reserved |= UINT64_C(0x7ff0000000000000); /* bits 62:52 are ignored only in IA-32e paging (4.4.2) */
	} else {
		table = cpu->cr3 & PTE_ADDRESS;
	}
	for (;; level--) {
		struct level *at = &levels[depth++];

		shift = 12 + 9 * (level - 1);
		if (!entry_read(cpu, at, (table & PTE_ADDRESS) + ((linear >> shift & 0x1ff) << 3), 8) || !(at->entry & PTE_P))
			return WALK_FAULT;
		large = level == 1 || ((level == 2 || level == 3) && at->entry & PTE_PS);
		if (at->entry & reserved || (level >= 4 && at->entry & PTE_PS) ||
		    (level > 1 && large && at->entry & ((UINT64_C(1) << shift) - 1) & ~UINT64_C(0x1fff))) {
			walk->error_code |= PF_P | PF_RSVD;
			return WALK_FAULT;
		}
		writable = writable && at->entry & PTE_W;
		user = user && at->entry & PTE_U;
		nx = nx || at->entry & PTE_NX;
		if (large)
			break;
		table = at->entry;
	}
	denied = rights_check(cpu, walk, writable, user, nx, (unsigned int)(levels[depth - 1].entry >> 59 & 0xf));
	walk->error_code |= denied;
	if (denied)
		return WALK_FAULT;
	for (unsigned int i = 0; i < depth && !walk->pretend; i++)
		if (!entry_set(&levels[i], PTE_A | (i == depth - 1 && walk->access == TLB_WRITE ? PTE_D : 0), 8))
			return WALK_HOLE;
	offset = (UINT64_C(1) << shift) - 1;
	walk->gpa = (levels[depth - 1].entry & PTE_ADDRESS & ~offset) | (linear & offset);
	return WALK_OK;
}

static enum walk_result walk_linear(struct x86_vcpu *cpu, struct walk *walk, uint64_t linear)
{
	enum walk_result result;

	if (!(cpu->cr0 & CR0_PG)) {
		walk->gpa = linear & UINT32_MAX;
		return WALK_OK;
	}
	if (!(cpu->cr4 & CR4_PAE))
		return walk_legacy(cpu, walk, linear & UINT32_MAX);
	do
		result = walk_wide_once(cpu, walk, linear);
	while (result == WALK_HOLE);
	return result;
}

/* The same, but safe against holes in the program's memory where the tables are. */
static enum walk_result walk_guarded(struct x86_vcpu *cpu, struct walk *walk, uint64_t linear)
{
	struct fault_guard guard = { .covers = NULL };
	enum walk_result result;

	if (sigsetjmp(guard.resume, 0))
		return WALK_HOLE;
	fault_guard_push(&guard);
	result = walk_linear(cpu, walk, linear);
	fault_guard_pop(&guard);
	return result;
}

bool mmu_translate_nofault(struct x86_vcpu *cpu, uint64_t linear, uint64_t *gpa)
{
	struct walk walk = { .access = TLB_READ, .pretend = true };

	if (cpu->cr0 & CR0_PG && cpu->efer & EFER_LMA && !linear_canonical(cpu, linear))
		return false;
	if (walk_guarded(cpu, &walk, linear) != WALK_OK)
		return false;
	*gpa = walk.gpa;
	return true;
}

bool mem_read_physical(struct x86_vcpu *cpu, uint64_t gpa, void *to, unsigned int size)
{
	struct slot *slot = gpa_slot(cpu, gpa);

	return slot && (gpa & (PAGE_SIZE - 1)) + size <= PAGE_SIZE && user_read(to, slot_hva(slot, gpa), size) == 0;
}

/* ---- The translation cache. ---- */

void tlb_flush(struct x86_vcpu *cpu)
{
	if (cpu->tlb_used)
		memset(cpu->tlbs, 0, sizeof cpu->tlbs);
	cpu->tlb_used = false;
}

void tlb_flush_page(struct x86_vcpu *cpu, uint64_t linear)
{
	(void)linear; /* it may be part of a large page, whose 4 KiB pieces are cached one by one */
	tlb_flush(cpu);
}

static void tlb_fill(struct x86_vcpu *cpu, enum tlb_access access, uint64_t linear, uint64_t host)
{
	tlb_set(&cpu->tlbs[cpu->mmu_index], access, linear, host);
	cpu->tlb_used = true;
}

/* ---- Faults. ---- */

static void hole_raise(struct x86_vcpu *cpu, uint64_t gpa)
{
	cpu->stop = STOP_ERROR;
	cpu->stop_error = why(EFAULT, "guest physical address 0x%llx: its memory slot's user-space memory is not there (or not writable)",
			      (unsigned long long)gpa);
}

static void non_canonical_raise(struct x86_vcpu *cpu, enum segment seg, uint64_t linear)
{
	/* Only outside of 64-bit mode do the two addresses mean what segment_linear() found. */
	bool stack = (cpu->mode & MODE_CODE_MASK) == MODE_CODE64 ? seg == SS : linear == LINEAR_BAD_SS;

	exception_raise(cpu, stack ? VECTOR_SS : VECTOR_GP, true, 0);
}

static bool linear_check(struct x86_vcpu *cpu, enum segment seg, uint64_t linear, unsigned int size)
{
	/* In compatibility mode too the tables may lie above 4 GiB. */
	if (cpu->mode & MODE_LONG ? linear_canonical(cpu, linear) && linear_canonical(cpu, linear + size - 1) : !(linear >> 63))
		return true;
	non_canonical_raise(cpu, seg, linear);
	return false;
}

/* Where a page of the access leads: false when it faults. */
static bool place_find(struct x86_vcpu *cpu, struct walk *walk, uint64_t linear, struct place *place)
{
	enum walk_result result;

	if (!(cpu->mode & MODE_LONG))
		linear &= UINT32_MAX;
	result = walk_guarded(cpu, walk, linear);
	if (result == WALK_FAULT) {
		page_fault_raise(cpu, linear, walk->error_code);
		return false;
	}
	if (result == WALK_HOLE) {
		hole_raise(cpu, cpu->cr3 & PTE_ADDRESS);
		return false;
	}
	place->gpa = walk->gpa;
	place->slot = NULL;
	place->host = 0;
	if (lapic_mmio_covers(cpu, walk->gpa))
		return true;
	place->slot = gpa_slot(cpu, walk->gpa);
	if (place->slot && !(walk->access == TLB_WRITE && place->slot->flags & KVM_MEM_READONLY))
		place->host = slot_hva(place->slot, walk->gpa);
	return true;
}

/* ---- Watchpoints: SDM Vol. 3B, 17.2.4. Only in careful mode, which run.c chooses when DR7 has any enabled. ---- */

static void watch_check(struct x86_vcpu *cpu, uint64_t linear, unsigned int size, bool write)
{
	uint64_t dr7 = cpu->debug_dr7;

	for (unsigned int i = 0; i < 4 && dr7 & 0xff; i++) {
		unsigned int type = dr7 >> (16 + 4 * i) & 3, bits = dr7 >> (18 + 4 * i) & 3;
		uint64_t length = bits == 2 ? 8 : bits + 1, from = cpu->debug_dr[i] & ~(length - 1);

		if (!(dr7 >> (2 * i) & 3) || type == 0 || type == 2 || (type == 1 && !write))
			continue;
		if (linear < from + length && from < linear + size)
			cpu->debug_hit |= UINT64_C(1) << i;
	}
}

/* ---- MMIO. ---- */

static bool mmio_read_one(struct x86_vcpu *cpu, uint64_t gpa, uint8_t *to, unsigned int size)
{
	struct mmio_fragment *fragment = &cpu->mmio[cpu->mmio_cursor];
	struct kvm_run *run = cpu->vcpu.run;

	if (cpu->mmio_cursor < cpu->mmio_done && fragment->gpa == gpa && fragment->size == size) {
		memcpy(to, fragment->data, size);
		cpu->mmio_cursor++;
		return true;
	}
	if (cpu->mmio_cursor == MMIO_FRAGMENTS) {
		cpu->stop = STOP_ERROR;
		cpu->stop_error = EFAULT;
		return false;
	}
	/* The instruction took another way than last time: what follows is asked anew. */
	cpu->mmio_done = cpu->mmio_cursor;
	cpu->mmio_count = cpu->mmio_cursor + 1;
	*fragment = (struct mmio_fragment){ .gpa = gpa, .size = (uint8_t)size };
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = size;
	run->mmio.is_write = 0;
	memset(run->mmio.data, 0, sizeof run->mmio.data);
	cpu->completion = COMPLETE_MMIO;
	cpu->stop = STOP_EXIT;
	return false;
}

static bool mmio_write_one(struct x86_vcpu *cpu, uint64_t gpa, const uint8_t *from, unsigned int size)
{
	struct mmio_fragment *fragment;

	if (cpu->mmio_write_count == MMIO_FRAGMENTS) {
		cpu->stop = STOP_ERROR;
		cpu->stop_error = EFAULT;
		return false;
	}
	fragment = &cpu->mmio_write[cpu->mmio_write_count++];
	*fragment = (struct mmio_fragment){ .gpa = gpa, .size = (uint8_t)size, .write = true };
	memcpy(fragment->data, from, size);
	return true;
}

/* `size` bytes that lie in one page. */
static bool mmio_access(struct x86_vcpu *cpu, uint64_t gpa, uint8_t *data, unsigned int size, bool write)
{
	if (write ? bus_memory_write(cpu, gpa, size, data) : bus_memory_read(cpu, gpa, size, data))
		return true;
	for (unsigned int done = 0, piece; done < size; done += piece) {
		piece = size - done < 8 ? size - done : 8;
		if (write ? !mmio_write_one(cpu, gpa + done, data + done, piece) : !mmio_read_one(cpu, gpa + done, data + done, piece))
			return false;
	}
	return true;
}

/* ---- The general access. ---- */

struct request {
	const struct insn *insn; /* NULL: none under way, or cpu->rip is exact already */
	enum segment seg;
	struct walk walk;
	bool system;
};

/* Not memory: only an instruction that is executed alone may go there, for it is stopped and started again. */
static bool mmio_ready(struct x86_vcpu *cpu)
{
	if (cpu->careful)
		return true;
	cpu->stop = STOP_CAREFUL;
	return false;
}

static bool access_place(struct x86_vcpu *cpu, const struct request *request, const struct place *place, uint64_t linear,
			 uint8_t *data, unsigned int size)
{
	bool write = request->walk.access == TLB_WRITE;

	if (!place->host)
		return mmio_ready(cpu) && mmio_access(cpu, place->gpa, data, size, write);
	if (!write) {
		if (user_read(data, place->host, size)) {
			hole_raise(cpu, place->gpa);
			return false;
		}
	} else {
		/* A store into the running block: see mem.h. */
		if (!cpu->careful && host_meets(place->host, size, cpu->block_host, cpu->block_length)) {
			cpu->stop = STOP_CAREFUL;
			return false;
		}
		if (user_write(place->host, data, size)) {
			hole_raise(cpu, place->gpa);
			return false;
		}
		slot_mark_dirty(place->slot, place->gpa >> PAGE_SHIFT);
	}
	if (!cpu->careful && !request->system)
		tlb_fill(cpu, request->walk.access, linear, place->host);
	return true;
}

/* SDM Vol. 3A, table 6-7: what the x87 environments and extended reals want is not their size. */
static unsigned int alignment_of(unsigned int size)
{
	switch (size) {
	case 10: return 8;
	case 14: case 94: return 2;
	case 28: case 108: return 4;
	default: return size & (size - 1) || size > 16 ? 1 : size;
	}
}

static bool alignment_check(struct x86_vcpu *cpu, uint64_t linear, unsigned int alignment)
{
	if (likely(!(cpu->mode & MODE_ALIGN)) || !(linear & (alignment - 1)))
		return true;
	exception_raise(cpu, VECTOR_AC, true, 0);
	return false;
}

/* Any size up to a page: at most two pages. Both are translated before either is touched. */
static bool access_linear(struct x86_vcpu *cpu, struct request *request, uint64_t linear, void *data, unsigned int size)
{
	unsigned int first = (unsigned int)(PAGE_SIZE - linear % PAGE_SIZE);
	struct place places[2];

	if (request->insn)
		insn_sync(cpu, request->insn);
	if (!linear_check(cpu, request->seg, linear, size) || ((!request->system || request->walk.user) && !alignment_check(cpu, linear, alignment_of(size))))
		return false;
	if (first > size)
		first = size;
	if (!place_find(cpu, &request->walk, linear, &places[0]))
		return false;
	if (first < size && !place_find(cpu, &request->walk, linear + first, &places[1]))
		return false;
	if (first < size && !cpu->careful && (!places[0].host || !places[1].host)) {
		cpu->stop = STOP_CAREFUL;
		return false;
	}
	if (!access_place(cpu, request, &places[0], linear, data, first))
		return false;
	if (first < size && !access_place(cpu, request, &places[1], linear + first, (uint8_t *)data + first, size - first))
		return false;
	if (cpu->careful && !request->system)
		watch_check(cpu, linear, size, request->walk.access == TLB_WRITE);
	return true;
}

static struct request request_make(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, enum tlb_access access)
{
	return (struct request){ .insn = insn, .seg = seg, .walk = { .access = access, .user = cpu->cpl == 3 } };
}

bool mem_read_slow(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, void *to, unsigned int size)
{
	struct request request = request_make(cpu, insn, seg, TLB_READ);

	return access_linear(cpu, &request, linear, to, size);
}

bool mem_write_slow(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, const void *from, unsigned int size)
{
	struct request request = request_make(cpu, insn, seg, TLB_WRITE);

	return access_linear(cpu, &request, linear, (void *)from, size);
}

bool mem_read_system(struct x86_vcpu *cpu, uint64_t linear, void *to, unsigned int size)
{
	struct request request = { .seg = DS, .walk = { .access = TLB_READ, .implicit = true }, .system = true };

	return access_linear(cpu, &request, linear, to, size);
}

bool mem_write_system(struct x86_vcpu *cpu, uint64_t linear, const void *from, unsigned int size)
{
	struct request request = { .seg = DS, .walk = { .access = TLB_WRITE, .implicit = true }, .system = true };

	return access_linear(cpu, &request, linear, (void *)from, size);
}

bool mem_read_privilege(struct x86_vcpu *cpu, uint64_t linear, void *to, unsigned int size, bool user)
{
	struct request request = { .seg = SS, .walk = { .access = TLB_READ, .user = user, .implicit = !user }, .system = true };

	return access_linear(cpu, &request, linear, to, size);
}

bool mem_write_privilege(struct x86_vcpu *cpu, uint64_t linear, const void *from, unsigned int size, bool user)
{
	struct request request = { .seg = SS, .walk = { .access = TLB_WRITE, .user = user, .implicit = !user }, .system = true };

	return access_linear(cpu, &request, linear, (void *)from, size);
}

bool mem_address_check(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, unsigned int size, unsigned int alignment)
{
	insn_sync(cpu, insn);
	return linear_check(cpu, seg, linear, size) && alignment_check(cpu, linear, alignment);
}

bool mem_probe(struct x86_vcpu *cpu, const struct insn *insn, enum segment seg, uint64_t linear, unsigned int size, enum access access)
{
	struct request request = request_make(cpu, insn, seg, access == ACCESS_READ ? TLB_READ : TLB_WRITE);
	unsigned int first = (unsigned int)(PAGE_SIZE - linear % PAGE_SIZE);
	struct place place;

	if (insn)
		insn_sync(cpu, insn);
	return linear_check(cpu, seg, linear, size) && place_find(cpu, &request.walk, linear, &place) &&
	       (first >= size || place_find(cpu, &request.walk, linear + first, &place));
}

void *mem_atomic(struct x86_vcpu *cpu, const struct insn *insn, uint64_t linear, unsigned int size, bool *split)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_WRITE, linear, size);
	struct request request;
	struct place place;

	*split = false;
	if (!entry) {
		bool crosses = (linear % PAGE_SIZE) + size > PAGE_SIZE;

		request = request_make(cpu, insn, (enum segment)insn->seg, TLB_WRITE);
		insn_sync(cpu, insn);
		if (!linear_check(cpu, request.seg, linear, size) || !alignment_check(cpu, linear, size) ||
		    !place_find(cpu, &request.walk, linear, &place))
			return NULL;
		if (crosses || !place.host) {
			*split = mmio_ready(cpu);
			if (*split)
				split_lock(cpu);
			return NULL;
		}
		if (!cpu->careful) {
			/* Is the memory there? From now on a fault is the run loop's. */
			uint8_t byte;

			if (user_read(&byte, place.host, 1)) {
				hole_raise(cpu, place.gpa);
				return NULL;
			}
			tlb_fill(cpu, TLB_WRITE, linear, place.host);
		} else {
			/* A hole must be told here, or the instruction would be tried for ever. */
			uint64_t value[2];

			if (user_read(value, place.host, size) || user_probe_write(place.host, size)) {
				hole_raise(cpu, place.gpa);
				return NULL;
			}
			watch_check(cpu, linear, size, true);
		}
		slot_mark_dirty(place.slot, place.gpa >> PAGE_SHIFT);
		entry = NULL;
	}
	uint64_t host = entry ? linear + entry->addend : place.host;
	if (!cpu->careful && host_meets(host, size, cpu->block_host, cpu->block_length)) {
		insn_careful(cpu, insn);
		return NULL;
	}
	*(const struct insn *volatile *)&cpu->insn = insn;
	return (void *)host;
}

/* ---- Fetching. ---- */

bool mem_fetch_fill(struct x86_vcpu *cpu, uint64_t linear)
{
	struct request request = request_make(cpu, NULL, CS, TLB_FETCH);
	struct place place;

	if (!linear_check(cpu, CS, linear, 1) || !place_find(cpu, &request.walk, linear, &place))
		return false;
	if (place.host)
		tlb_fill(cpu, TLB_FETCH, linear, place.host);
	return true;
}

unsigned int mem_fetch(struct x86_vcpu *cpu, uint64_t linear, uint8_t *to, unsigned int size, unsigned int needed)
{
	struct request request = request_make(cpu, NULL, CS, TLB_FETCH);
	unsigned int done = 0;

	while (done < size) {
		unsigned int piece = (unsigned int)(PAGE_SIZE - (linear + done) % PAGE_SIZE);
		struct place place;

		if (piece > size - done)
			piece = size - done;
		if (!linear_check(cpu, CS, linear + done, piece) || !place_find(cpu, &request.walk, linear + done, &place))
			break;
		if (!place.host) {
			/* Code outside memory: KVM's emulator cannot fetch it either. */
			fetch_outside_raise(cpu, place.gpa);
			break;
		}
		if (user_read(to + done, place.host, piece)) {
			hole_raise(cpu, place.gpa);
			break;
		}
		done += piece;
	}
	if (done >= needed && done > 0 && done < size) {
		cpu->stop = STOP_NONE; /* nobody needs what could not be had */
		cpu->exception.pending = false;
	}
	return done;
}

/* ---- Addresses. ---- */

uint64_t segment_linear(struct x86_vcpu *cpu, enum segment seg, uint64_t offset, unsigned int size, enum access access)
{
	const struct kvm_segment *segment = &cpu->seg[seg];
	uint64_t bad = seg == SS ? LINEAR_BAD_SS : LINEAR_BAD_GP, last = offset + size - 1;
	bool protected = !(cpu->mode & (MODE_REAL | MODE_VM86));

	if ((cpu->mode & MODE_CODE_MASK) == MODE_CODE64) {
		if (seg != FS && seg != GS)
			return offset;
		/* The effective address has to be canonical too, not only what the base makes of it: AMD's processors check it. */
		return linear_canonical(cpu, offset) ? segment->base + offset : LINEAR_BAD_GP;
	}
	if (likely(cpu->mode & MODE_FLAT) && (seg == DS || seg == ES || seg == SS) && last <= UINT32_MAX)
		return offset;
	if (protected) {
		if (segment->unusable || !segment->present)
			return bad;
		if (segment->type & 8 ? access != ACCESS_READ || !(segment->type & 2) : access != ACCESS_READ && !(segment->type & 2))
			return bad;
	}
	if (protected && !(segment->type & 8) && segment->type & 4) {
		/* Expand-down: valid above the limit. */
		if (offset <= segment->limit || last > (segment->db ? UINT32_MAX : UINT16_MAX))
			return bad;
	} else if (last > segment->limit) {
		return bad;
	}
	return (uint32_t)(segment->base + offset);
}

uint64_t address_complex(struct x86_vcpu *cpu, const struct insn *insn, uint64_t offset, unsigned int size, enum access access)
{
	if (insn->flags & INSN_ADDRESS16)
		offset &= UINT16_MAX;
	else if (insn->flags & INSN_ADDRESS32)
		offset &= UINT32_MAX;
	return segment_linear(cpu, (enum segment)insn->seg, offset, size, access);
}

void cpu_host_fault(struct x86_vcpu *cpu)
{
	/* cpu->insn: a data access of that instruction; NULL: the code itself, and cpu->rip is exact. */
	if (cpu->insn)
		insn_sync(cpu, cpu->insn);
	cpu->insn = NULL;
	cpu->block_length = 0;
	cpu->careful = false;
	cpu->tlb = &cpu->tlbs[cpu->mmu_index];
	split_unlock(cpu);
	fpu_leave(cpu); /* fault_handle() has put MXCSR and the x87 control word back for it */
	tlb_flush(cpu);
	cpu->stop = STOP_CAREFUL;
}

/* ---- Accesses that LOCK must make atomic but that are not one piece of memory. ---- */

void split_lock(struct x86_vcpu *cpu)
{
	if (!cpu->split_locked)
		pthread_mutex_lock(&x86_vm(cpu)->split_lock);
	cpu->split_locked = true;
}

void split_unlock(struct x86_vcpu *cpu)
{
	if (cpu->split_locked)
		pthread_mutex_unlock(&x86_vm(cpu)->split_lock);
	cpu->split_locked = false;
}
