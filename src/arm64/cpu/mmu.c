/*
 * Virtual to host addresses: the translation cache, and every access that the fast paths of mem.h leave over: page crossings, alignment,
 * holes, MMIO, watchpoints and faults. The page walk is walk.c's.
 */
#include <errno.h>

#include "arm64/cpu/exec.h"
#include "arm64/cpu/fetch.h"
#include "arm64/cpu/private.h"
#include "arm64/cpu/translation.h"
#include "arm64/cpu/walk.h"
#include "core/user.h"
#include "core/why.h"

#define ISS_WNR (UINT64_C(1) << 6)
#define ISS_CM (UINT64_C(1) << 8)

/* Where one page of an access leads. */
struct place {
	uint64_t address; /* virtual */
	uint64_t ipa;
	uint64_t host; /* 0: not memory (or not writable memory), so MMIO */
	struct slot *slot;
	bool device;   /* device memory, by its attributes */
};

struct request {
	const struct a64_insn *insn;
	unsigned int flags; /* MEM_* */
	bool user_index;    /* EL0's translations whatever the exception level is */
	struct a64_walk walk;
};

static struct request request_make(struct arm64_vcpu *cpu, const struct a64_insn *insn, enum tlb_access access, unsigned int flags)
{
	struct request request = { .insn = insn, .flags = flags, .walk = a64_walk_make(cpu, access) };

	/* PSTATE.UAO makes LDTR and STTR ordinary (C5.2.24). */
	if (flags & MEM_UNPRIVILEGED && cpu->el == 1 && !(cpu->pstate & PSTATE_UAO))
		request.user_index = request.walk.user = true;
	if (flags & MEM_CACHE)
		request.walk.pan = false;
	return request;
}

/* ---- The translation cache. ---- */

void a64_tlb_flush(struct arm64_vcpu *cpu)
{
	if (cpu->tlb_used)
		memset(cpu->tlbs, 0, sizeof cpu->tlbs);
	cpu->tlb_used = false;
}

void a64_registers_changed(struct arm64_vcpu *cpu)
{
	const uint64_t now[] = { cpu->sys[SYS_SCTLR_EL1], cpu->sys[SYS_TCR_EL1], cpu->sys[SYS_TTBR0_EL1], cpu->sys[SYS_TTBR1_EL1] };

	a64_state_changed(cpu);
	if (memcmp(now, cpu->blocks->translation, sizeof now))
		a64_tlb_flush(cpu);
	memcpy(cpu->blocks->translation, now, sizeof now);
}

void a64_tlb_shootdown(struct arm64_vcpu *cpu)
{
	struct vm *vm = cpu->vcpu.vm;
	uint32_t count = atomic_load(&vm->vcpu_count);

	a64_tlb_flush(cpu);
	if (count <= 1)
		return;
	/* Who enters the guest from now on sees the new generation; who is in it leaves for a moment. */
	atomic_fetch_add(&vm->memory_generation, 1);
	for (uint32_t i = 0; i < count; i++)
		if (vm->vcpus[i] != &cpu->vcpu && atomic_load(&vm->vcpus[i]->in_guest))
			kick_set(&vm->vcpus[i]->kick, REQUEST_MEMORY);
	cpu->blocks->shootdown = true;
}

bool a64_tlb_shootdown_done(struct arm64_vcpu *cpu)
{
	struct vm *vm = cpu->vcpu.vm;
	uint32_t count = atomic_load(&vm->vcpu_count);

	if (!cpu->blocks->shootdown)
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (vm->vcpus[i] != &cpu->vcpu && atomic_load(&vm->vcpus[i]->in_guest) &&
		    atomic_load(&vm->vcpus[i]->kick.request) & REQUEST_MEMORY)
			return false;
	cpu->blocks->shootdown = false;
	return true;
}

static void tlb_fill(struct arm64_vcpu *cpu, const struct request *request, uint64_t address, uint64_t host)
{
	unsigned int index = request->user_index ? ARM64_MMU_EL0 : cpu->mmu_index;

	tlb_set(&cpu->tlbs[index], request->walk.access, address, host);
	cpu->tlb_used = true;
}

/* ---- Faults. ---- */

static void hole_raise(struct arm64_vcpu *cpu, uint64_t ipa)
{
	cpu->stop = ARM64_STOP_ERROR;
	cpu->stop_error = why(EFAULT, "guest physical address 0x%llx: its memory slot's user-space memory is not there (or not writable)",
			      (unsigned long long)ipa);
}

static uint64_t data_iss(const struct request *request)
{
	return (request->walk.access == TLB_WRITE || request->flags & MEM_CACHE ? ISS_WNR : 0) | (request->flags & MEM_CACHE ? ISS_CM : 0);
}

static bool abort_raise(struct arm64_vcpu *cpu, const struct request *request, uint64_t address, unsigned int fsc)
{
	unsigned int ec = request->walk.access == TLB_FETCH ? EC_FETCH_LOWER : EC_DATA_LOWER;
	/* External aborts are KVM's, which says no more of them. */
	uint64_t iss = request->walk.access == TLB_FETCH || fsc == FSC_EXTERNAL ? fsc : data_iss(request) | fsc;

	a64_exception_raise(cpu, syndrome(ec + (cpu->el != 0), iss), true, address);
	return false;
}

bool a64_sp_check(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t sp)
{
	if (!(sp & 15))
		return true;
	a64_exception(cpu, insn, syndrome(EC_SP_ALIGNMENT, 0));
	return false;
}

/* Where a page of the access leads: false when it faults. */
static bool place_find(struct arm64_vcpu *cpu, struct request *request, uint64_t address, struct place *place)
{
	enum a64_walk_result result = a64_walk(cpu, &request->walk, address);

	if (result == WALK_FAULT)
		return abort_raise(cpu, request, address, request->walk.fsc);
	if (result == WALK_HOLE) {
		hole_raise(cpu, cpu->sys[address >> 55 & 1 ? SYS_TTBR1_EL1 : SYS_TTBR0_EL1] & UINT64_C(0xfffffffff000));
		return false;
	}
	place->address = address;
	place->ipa = request->walk.ipa;
	/* More than the VM's addresses have bits: KVM's external abort is of that address. */
	if (place->ipa >> PAGE_SHIFT >= cpu->vcpu.vm->gfn_limit)
		return abort_raise(cpu, request, place->ipa, FSC_EXTERNAL);
	place->host = 0;
	place->device = !(request->walk.attributes >> 4);
	place->slot = slot_find(vm_slots(cpu->vcpu.vm, 0), place->ipa >> PAGE_SHIFT);
	if (place->slot && !(request->walk.access == TLB_WRITE && place->slot->flags & KVM_MEM_READONLY))
		place->host = slot_hva(place->slot, place->ipa);
	return true;
}

/* ---- Not memory: api.rst, KVM_EXIT_MMIO and KVM_CAP_ARM_NISV_TO_USER. ---- */

static bool no_syndrome(struct arm64_vcpu *cpu, const struct request *request, const struct place *place)
{
	struct kvm_run *run = cpu->vcpu.run;

	cpu->left_far = place->address;
	if (arm64_vm(cpu)->user_nisv) {
		run->exit_reason = KVM_EXIT_ARM_NISV;
		run->arm_nisv.esr_iss = data_iss(request) | ((place->slot ? FSC_PERMISSION : FSC_TRANSLATION) + 3);
		run->arm_nisv.fault_ipa = place->ipa;
		cpu->stop = ARM64_STOP_EXIT;
		return false;
	}
	cpu->stop = ARM64_STOP_ERROR;
	cpu->stop_error = why(ENOSYS, "guest physical address 0x%llx is not memory, and the instruction at 0x%llx is none that can be told by KVM_EXIT_MMIO",
			      (unsigned long long)place->ipa, (unsigned long long)cpu->pc);
	return false;
}

static bool mmio(struct arm64_vcpu *cpu, const struct request *request, const struct place *place, const void *data, unsigned int size)
{
	bool write = request->walk.access == TLB_WRITE;
	struct kvm_run *run = cpu->vcpu.run;

	if (!(request->flags & MEM_MMIO_OK))
		return no_syndrome(cpu, request, place);
	cpu->left_far = place->address;
	cpu->mmio.pending = true;
	cpu->mmio.write = write;
	cpu->mmio.sign = request->flags & MEM_MMIO_SIGN;
	cpu->mmio.wide = request->flags & MEM_MMIO_WIDE;
	cpu->mmio.size = (uint8_t)size;
	cpu->mmio.rt = request->insn->d;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = place->ipa;
	run->mmio.len = size;
	run->mmio.is_write = write;
	memset(run->mmio.data, 0, sizeof run->mmio.data);
	if (write)
		memcpy(run->mmio.data, data, size);
	cpu->stop = ARM64_STOP_EXIT;
	return false;
}

/* ---- The general access. ---- */

/* A store into the block that is running: the instructions behind it may be stale. */
static bool store_stops(struct arm64_vcpu *cpu, uint64_t host, unsigned int size)
{
	if (cpu->careful || !host_meets(host, size, cpu->block_host, cpu->block_length))
		return false;
	cpu->stop = ARM64_STOP_CAREFUL;
	return true;
}

static bool access_place(struct arm64_vcpu *cpu, const struct request *request, const struct place *place, uint64_t address, uint8_t *data,
			 unsigned int size)
{
	if (request->walk.access != TLB_WRITE) {
		if (user_read(data, place->host, size)) {
			hole_raise(cpu, place->ipa);
			return false;
		}
	} else {
		if (store_stops(cpu, place->host, size))
			return false;
		if (user_write(place->host, data, size)) {
			hole_raise(cpu, place->ipa);
			return false;
		}
		slot_mark_dirty(place->slot, place->ipa >> PAGE_SHIFT);
	}
	/* What is behind a translation at hand is not asked for its alignment. */
	if (!cpu->careful && (!place->device || cpu->mode & A64_MODE_ALIGN))
		tlb_fill(cpu, request, address, place->host);
	return true;
}

static bool aligned(struct arm64_vcpu *cpu, const struct request *request, uint64_t address, unsigned int size, bool must)
{
	unsigned int unit = request->flags >> 8 ? request->flags >> 8 : size;

	if (!must || !(address & (unit - 1)) || unit & (unit - 1))
		return true;
	return abort_raise(cpu, request, address, FSC_ALIGNMENT);
}

static bool access_memory(struct arm64_vcpu *cpu, struct request *request, uint64_t address, void *data, unsigned int size)
{
	unsigned int first = (unsigned int)(PAGE_SIZE - address % PAGE_SIZE);
	struct place places[2];

	cpu->pc = a64_pc(cpu, request->insn);
	if (first > size)
		first = size;
	if (!aligned(cpu, request, address, size, request->flags & MEM_ALIGNED || cpu->mode & A64_MODE_ALIGN) || !place_find(cpu, request, address, &places[0]) ||
	    (first < size && !place_find(cpu, request, address + first, &places[1])))
		return false;
	if (!aligned(cpu, request, address, size, places[0].device || (first < size && places[1].device)))
		return false;
	/* Device memory cannot be cleared (C5.3.16). */
	if (request->flags & MEM_CLEAR && places[0].device)
		return abort_raise(cpu, request, address, FSC_ALIGNMENT);
	if (cpu->careful && !a64_watchpoint_check(cpu, address, size, request->walk.access == TLB_WRITE))
		return false;
	/* Of an access that crosses pages KVM sees the page that faults, and the instruction's whole size. */
	if (!places[0].host)
		return mmio(cpu, request, &places[0], data, size);
	if (first < size && !places[1].host)
		return mmio(cpu, request, &places[1], data, size);
	return access_place(cpu, request, &places[0], address, data, first) &&
	       (first == size || access_place(cpu, request, &places[1], address + first, (uint8_t *)data + first, size - first));
}

/* LDTR and STTR from EL1: EL0's translations, which are at hand when the fast paths are in use at all. */
static const struct tlb_entry *user_lookup(const struct arm64_vcpu *cpu, const struct request *request, uint64_t address, unsigned int size)
{
	if (!request->user_index || cpu->careful || (cpu->mode & A64_MODE_ALIGN && address & (size - 1)))
		return NULL;
	return tlb_lookup(&cpu->tlbs[ARM64_MMU_EL0], request->walk.access, address, size);
}

bool a64_read_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, void *to, unsigned int size, unsigned int flags)
{
	struct request request = request_make(cpu, insn, TLB_READ, flags);
	const struct tlb_entry *entry = user_lookup(cpu, &request, address, size);

	if (!entry)
		return access_memory(cpu, &request, address, to, size);
	*(const struct a64_insn *volatile *)&cpu->insn = insn;
	host_load(to, address + entry->addend, size);
	return true;
}

bool a64_write_slow(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, const void *from, unsigned int size, unsigned int flags)
{
	struct request request = request_make(cpu, insn, TLB_WRITE, flags);
	const struct tlb_entry *entry = user_lookup(cpu, &request, address, size);

	if (!entry)
		return access_memory(cpu, &request, address, (void *)from, size);
	if (store_stops(cpu, address + entry->addend, size)) {
		cpu->pc = a64_pc(cpu, insn);
		return false;
	}
	*(const struct a64_insn *volatile *)&cpu->insn = insn;
	host_store(address + entry->addend, from, size);
	return true;
}

/* ---- Atomic accesses. ---- */

/* One of the accesses that an atomic one is: false when it faults, or is not to memory. */
static bool atomic_access(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size, enum tlb_access access, struct place *place)
{
	struct request request = request_make(cpu, insn, access, MEM_ALIGNED);

	if (!aligned(cpu, &request, address, size, true) || !place_find(cpu, &request, address, place))
		return false;
	if (cpu->careful && !a64_watchpoint_check(cpu, address, size, access == TLB_WRITE))
		return false;
	return place->host || no_syndrome(cpu, &request, place);
}

/* Of the misses: 0 when the instruction must not go on. Where a read would fault too, that is what is told (ESR_EL1.WnR). */
static uint64_t atomic_host(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size, bool reads)
{
	struct request request = request_make(cpu, insn, TLB_WRITE, 0);
	struct place place;
	uint8_t bytes[16];

	cpu->pc = a64_pc(cpu, insn);
	if ((reads && !atomic_access(cpu, insn, address, size, TLB_READ, &place)) || !atomic_access(cpu, insn, address, size, TLB_WRITE, &place))
		return 0;
	/* Is the memory there? From now on a fault is the run loop's; but a hole must be told here, or the instruction would be tried for ever. */
	if (user_read(bytes, place.host, size) || (cpu->careful && user_probe_write(place.host, size))) {
		hole_raise(cpu, place.ipa);
		return 0;
	}
	slot_mark_dirty(place.slot, place.ipa >> PAGE_SHIFT);
	if (!cpu->careful && (!place.device || cpu->mode & A64_MODE_ALIGN))
		tlb_fill(cpu, &request, address, place.host);
	return place.host;
}

void *a64_atomic(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, unsigned int size, bool reads)
{
	const struct tlb_entry *entry = tlb_lookup(cpu->tlb, TLB_WRITE, address, size);
	uint64_t host = entry && !(address & (size - 1)) ? address + entry->addend : atomic_host(cpu, insn, address, size, reads);

	if (!host)
		return NULL;
	if (store_stops(cpu, host, size)) {
		cpu->pc = a64_pc(cpu, insn);
		return NULL;
	}
	*(const struct a64_insn *volatile *)&cpu->insn = insn;
	return (void *)host;
}

bool a64_cache_check(struct arm64_vcpu *cpu, const struct a64_insn *insn, uint64_t address, enum tlb_access access)
{
	struct request request = request_make(cpu, insn, access, MEM_CACHE);
	struct place place;

	if (tlb_lookup(cpu->tlb, access, address, 1))
		return true;
	cpu->pc = a64_pc(cpu, insn);
	return place_find(cpu, &request, address, &place);
}

bool a64_readable(struct arm64_vcpu *cpu, uint64_t address)
{
	struct a64_walk walk = a64_walk_make(cpu, TLB_READ);

	if (tlb_lookup(cpu->tlb, TLB_READ, address, 1))
		return true;
	walk.pretend = true;
	return a64_walk(cpu, &walk, address) == WALK_OK && slot_find(vm_slots(cpu->vcpu.vm, 0), walk.ipa >> PAGE_SHIFT);
}

bool a64_translate_nofault(struct arm64_vcpu *cpu, uint64_t address, uint64_t *ipa)
{
	struct a64_walk walk = a64_walk_make(cpu, TLB_READ);

	walk.pretend = true;
	walk.pan = false;
	if (a64_walk(cpu, &walk, address) != WALK_OK)
		return false;
	*ipa = walk.ipa;
	return true;
}

/* ---- Fetching. ---- */

bool a64_fetch_check(struct arm64_vcpu *cpu)
{
	/* D1.6.5: a branch takes the tag off; it is done here, where nothing has seen it yet. */
	cpu->pc = a64_untagged(cpu, cpu->pc, true);
	if (cpu->pc & 3) {
		a64_exception_raise(cpu, syndrome(EC_PC_ALIGNMENT, 0), true, cpu->pc);
		return false;
	}
	if (cpu->pstate & PSTATE_IL) {
		a64_exception_raise(cpu, syndrome(EC_ILLEGAL_STATE, 0), false, 0);
		return false;
	}
	return true;
}

/* Code outside memory: KVM gives the guest an external abort. */
static bool fetch_find(struct arm64_vcpu *cpu, struct request *request, struct place *place)
{
	if (!place_find(cpu, request, cpu->pc, place))
		return false;
	return place->host || abort_raise(cpu, request, cpu->pc, FSC_EXTERNAL);
}

bool a64_fetch_fill(struct arm64_vcpu *cpu)
{
	struct request request = request_make(cpu, NULL, TLB_FETCH, 0);
	struct place place;

	if (!fetch_find(cpu, &request, &place))
		return false;
	tlb_fill(cpu, &request, cpu->pc, place.host);
	return true;
}

bool a64_fetch(struct arm64_vcpu *cpu, uint32_t *word)
{
	struct request request = request_make(cpu, NULL, TLB_FETCH, 0);
	struct place place;

	if (!fetch_find(cpu, &request, &place))
		return false;
	if (user_read(word, place.host, 4) == 0)
		return true;
	hole_raise(cpu, place.ipa);
	return false;
}

void a64_host_fault(struct arm64_vcpu *cpu)
{
	/* cpu->insn: a data access of that instruction; NULL: the code itself, and cpu->pc is exact. */
	if (cpu->insn)
		cpu->pc = a64_pc(cpu, cpu->insn);
	cpu->insn = NULL;
	cpu->block_length = 0;
	cpu->careful = false;
	a64_state_changed(cpu);
	a64_tlb_flush(cpu);
	cpu->stop = ARM64_STOP_CAREFUL;
}
