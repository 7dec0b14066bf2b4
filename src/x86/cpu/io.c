/*
 * IN, OUT, INS and OUTS: ports belong to the program. Every access is a KVM_EXIT_IO, laid out as KVM does it: RIP stays at the
 * instruction, elements go through the page behind struct kvm_run. api.rst, KVM_EXIT_IO.
 */
#include "x86/cpu/system.h"
#include "x86/irqchip.h"

static uint8_t *port_data(const struct x86_vcpu *cpu)
{
	return (uint8_t *)cpu->vcpu.run + VCPU_PIO_OFFSET;
}

/* ---- Permission: SDM Vol. 1, 19.5. ---- */

/* The TSS's I/O bitmap: two bytes are read, for an access may straddle them. */
static bool bitmap_allows(struct x86_vcpu *cpu, uint16_t port, unsigned int size)
{
	const struct kvm_segment *tss = &cpu->seg[TR];
	uint16_t map, bits;

	if (tss->unusable || !(tss->type & 8) || tss->limit < 0x67 || !mem_read_system(cpu, tss->base + 0x66, &map, 2))
		return false;
	if ((uint32_t)map + port / 8 + 1 > tss->limit || !mem_read_system(cpu, tss->base + map + port / 8, &bits, 2))
		return false;
	return !(bits >> port % 8 & ((1u << size) - 1));
}

/* Whether the access may be made; if not, #GP(0) or the bitmap's own fault has been raised. */
static bool port_allowed(struct x86_vcpu *cpu, const struct insn *insn, uint16_t port, unsigned int size)
{
	if (likely(cpu->cpl <= flags_iopl(cpu) && !(cpu->mode & MODE_VM86)))
		return true;
	if (bitmap_allows(cpu, port, size))
		return true;
	if (cpu->stop == STOP_NONE)
		insn_fault_code(cpu, insn, VECTOR_GP, 0);
	return false;
}

/* ---- The exit. ---- */

/* I/O breakpoints, where CR4.DE gives them their meaning: SDM Vol. 3B, 17.2.4. */
static void port_watch(struct x86_vcpu *cpu, uint16_t port, unsigned int size)
{
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int length = (cpu->debug_dr7 >> (18 + 4 * i) & 3) + 1;
		uint64_t from = cpu->debug_dr[i] & ~(uint64_t)(length - 1);

		if (cpu->debug_dr7 >> (2 * i) & 3 && (cpu->debug_dr7 >> (16 + 4 * i) & 3) == 2 && port < from + length && from < (uint64_t)port + size)
			cpu->debug_hit |= UINT64_C(1) << i;
	}
}

static void port_exit(struct x86_vcpu *cpu, bool out, uint16_t port, unsigned int size, unsigned int count)
{
	struct kvm_run *run = cpu->vcpu.run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = (uint8_t)size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = VCPU_PIO_OFFSET;
	cpu->pio.port = port;
	cpu->pio.size = (uint8_t)size;
	cpu->pio.count = count;
	cpu->pio.out = out;
	/* An element of OUTS may have come from MMIO: that read is over. */
	cpu->mmio_count = cpu->mmio_done = cpu->mmio_cursor = 0;
	cpu->completion = out ? COMPLETE_OUT : COMPLETE_IN;
	cpu->stop = STOP_EXIT;
	if (unlikely(cpu->debug_dr7 & 0xff) && cpu->cr4 & CR4_DE)
		port_watch(cpu, port, size);
}

/* ---- IN and OUT. ---- */

static uint16_t port_operand(const struct x86_vcpu *cpu, const struct insn *insn)
{
	return insn->reg == RDX ? (uint16_t)cpu->gpr[RDX] : (uint16_t)insn->imm;
}

/* A port that needs no exit: true when the instruction is over. */
static bool port_simple_inside(struct x86_vcpu *cpu, const struct insn *insn, uint16_t port, bool out)
{
	uint64_t value = insn->size < 4 ? cpu->gpr[RAX] : out ? cpu->gpr[RAX] : 0;

	if (out ? !bus_port_write(cpu, port, insn->size, &value) : !bus_port_read(cpu, port, insn->size, &value))
		return false;
	if (!out)
		cpu->gpr[RAX] = value;
	if (unlikely(cpu->debug_dr7 & 0xff) && cpu->cr4 & CR4_DE)
		port_watch(cpu, port, insn->size);
	insn_done(cpu, insn, STOP_EVENT);
	return true;
}

static void port_simple(struct x86_vcpu *cpu, const struct insn *insn, bool out)
{
	uint16_t port = port_operand(cpu, insn);

	insn_sync(cpu, insn);
	if (!port_allowed(cpu, insn, port, insn->size) || port_simple_inside(cpu, insn, port, out))
		return;
	if (out)
		memcpy(port_data(cpu), &cpu->gpr[RAX], insn->size);
	else
		memset(port_data(cpu), 0, insn->size);
	cpu->pio.string = false;
	cpu->pio.length = insn->length;
	cpu->pio.rip = cpu->rip;
	port_exit(cpu, out, port, insn->size, 1);
	/* KVM_X86_QUIRK_OUT_7E_INC_RIP: the port of an old BIOS trick is told with RIP past the instruction. */
	if (out && port == 0x7e && !(x86_vm(cpu)->disabled_quirks & KVM_X86_QUIRK_OUT_7E_INC_RIP)) {
		cpu->rip = insn_end(cpu, insn);
		cpu->pio.count = 0;
	}
}

static void in_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	port_simple(cpu, insn, false);
}

static void out_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	port_simple(cpu, insn, true);
}

bool port_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	const ZydisDecodedOperand *port = &d->op[argument ? 0 : 1], *data = &d->op[argument ? 1 : 0];

	insn->size = (uint8_t)(data->size / 8);
	insn->reg = GPR_ZERO;
	if (port->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		insn->imm = port->imm.value.u & 0xff;
	else
		insn->reg = RDX;
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = argument ? out_run : in_run;
	return true;
}

static void simple_complete(struct x86_vcpu *cpu)
{
	unsigned int size = cpu->pio.size;
	uint64_t value = size < 4 ? cpu->gpr[RAX] : 0;

	/* The program has set RIP to somewhere else: so be it. */
	if (cpu->rip != cpu->pio.rip)
		return;
	if (!cpu->pio.out) {
		memcpy(&value, port_data(cpu), size);
		cpu->gpr[RAX] = value;
	}
	cpu->rip = rip_behind(cpu, cpu->pio.length);
}

/* ---- INS and OUTS. ---- */

/* What the address size makes of an index or count register. */
static uint64_t address_mask(unsigned int size)
{
	return size == 8 ? UINT64_MAX : size == 4 ? UINT32_MAX : UINT16_MAX;
}

static unsigned int address_size(const struct insn *insn)
{
	return insn->flags & INSN_ADDRESS16 ? 2 : insn->flags & INSN_ADDRESS32 ? 4 : 8;
}

static void index_advance(struct x86_vcpu *cpu, enum gpr reg, unsigned int address, int64_t delta)
{
	register_set(cpu, reg, address, cpu->gpr[reg] + (uint64_t)delta);
}

static int64_t string_step(const struct x86_vcpu *cpu, unsigned int size)
{
	return cpu->rflags & FLAG_DF ? -(int64_t)size : (int64_t)size;
}

/* One element an exit. There is nothing to complete: what is left of a REP is a new instruction. */
static void outs_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int address = address_size(insn), size = insn->size;
	uint64_t offset = cpu->gpr[RSI] & address_mask(address), count = cpu->gpr[RCX] & address_mask(address);
	uint16_t port = (uint16_t)cpu->gpr[RDX];
	enum segment seg = (enum segment)insn->seg;
	bool rep = insn->flags & INSN_REP;
	uint64_t value = 0;

	insn_sync(cpu, insn);
	/* The right to the port is asked for before the count. */
	if (!port_allowed(cpu, insn, port, size))
		return;
	if (rep && count == 0) {
		insn_done(cpu, insn, STOP_NONE);
		return;
	}
	if (!mem_read_seg(cpu, insn, seg, segment_linear(cpu, seg, offset, size, ACCESS_READ), &value, size))
		return;
	memcpy(port_data(cpu), &value, size);
	index_advance(cpu, RSI, address, string_step(cpu, size));
	if (rep)
		index_advance(cpu, RCX, address, -1);
	if (!rep || count == 1)
		insn_done(cpu, insn, STOP_NONE);
	if (bus_port_write(cpu, port, size, &value)) {
		cpu->stop = STOP_EVENT; /* the rest of a REP is a new instruction here, too */
		return;
	}
	port_exit(cpu, true, port, size, 1);
	cpu->pio.count = 0;
}

/* KVM reads ahead for REP INS: as much as its buffer holds, within the page that RDI is in. */
#define READ_AHEAD 1024u

static unsigned int ins_count(struct x86_vcpu *cpu, bool rep, unsigned int size, unsigned int address)
{
	uint64_t offset = cpu->gpr[RDI] & address_mask(address), room = offset % PAGE_SIZE, count = 1;
	bool down = cpu->rflags & FLAG_DF;

	if (rep)
		count = cpu->gpr[RCX] & address_mask(address);
	if (!down)
		room = PAGE_SIZE - room;
	room = room < size ? 1 : room / size;
	if (room > READ_AHEAD / size)
		room = READ_AHEAD / size;
	if (count > room)
		count = room;
	/* At a segment's end element by element: those before it are not lost. */
	if (count > 1 && !down && segment_linear(cpu, ES, offset, (unsigned int)count * size, ACCESS_WRITE) == LINEAR_BAD_GP)
		count = 1;
	return (unsigned int)count;
}

static void ins_run(struct x86_vcpu *cpu, const struct insn *insn)
{
	unsigned int address = address_size(insn), size = insn->size;
	bool rep = insn->flags & INSN_REP;
	unsigned int count = ins_count(cpu, rep, size, address);
	uint64_t linear = segment_linear(cpu, ES, cpu->gpr[RDI] & address_mask(address), size, ACCESS_WRITE);
	uint16_t port = (uint16_t)cpu->gpr[RDX];

	insn_sync(cpu, insn);
	if (!port_allowed(cpu, insn, port, size))
		return;
	if (count == 0) {
		insn_done(cpu, insn, STOP_NONE);
		return;
	}
	/* What is read from a port cannot be read again: first see that there is somewhere to put it. */
	if (!mem_probe(cpu, insn, ES, linear, size, ACCESS_WRITE))
		return;
	memset(port_data(cpu), 0, count * size);
	cpu->pio.string = true;
	cpu->pio.rep = rep;
	cpu->pio.address_size = (uint8_t)address;
	cpu->pio.length = insn->length;
	cpu->pio.rip = cpu->rip;
	port_exit(cpu, false, port, size, count);
}

bool port_string_decode(struct decoder *d, struct insn *insn, unsigned int argument)
{
	/* Either repeat prefix repeats (SDM Vol. 2B, REP: REPNE is for CMPS and SCAS only, but acts as REP elsewhere). */
	for (unsigned int i = 0; i < d->z.raw.prefix_count; i++)
		if (d->z.raw.prefixes[i].value == 0xf2 || d->z.raw.prefixes[i].value == 0xf3)
			insn->flags |= INSN_REP;
	for (unsigned int i = 0; i < d->z.operand_count; i++) {
		if (decode_is_memory(d, i)) {
			insn->seg = decode_segment(d->op[i].mem.segment);
			insn->size = (uint8_t)(d->op[i].size / 8);
			break;
		}
	}
	insn->flags |= INSN_ENDS_BLOCK;
	insn->run = argument ? outs_run : ins_run;
	return true;
}

/* Elements from the program to memory: as one piece upwards, one by one downwards. */
static bool ins_store(struct x86_vcpu *cpu, unsigned int count, unsigned int address)
{
	unsigned int size = cpu->pio.size;
	uint64_t offset = cpu->gpr[RDI] & address_mask(address);
	uint8_t data[READ_AHEAD];

	memcpy(data, port_data(cpu), count * size);
	if (!(cpu->rflags & FLAG_DF))
		return mem_write_slow(cpu, NULL, ES, segment_linear(cpu, ES, offset, count * size, ACCESS_WRITE), data, count * size);
	for (unsigned int i = 0; i < count; i++, offset = (offset - size) & address_mask(address))
		if (!mem_write_slow(cpu, NULL, ES, segment_linear(cpu, ES, offset, size, ACCESS_WRITE), data + i * size, size))
			return false;
	return true;
}

static void ins_complete(struct x86_vcpu *cpu)
{
	unsigned int address = cpu->pio.address_size, size = cpu->pio.size;
	/* The program may have changed RCX: as KVM does, count anew (elements that it was not asked for are whatever is there). */
	unsigned int count = ins_count(cpu, cpu->pio.rep, size, address);
	bool done;

	if (cpu->rip != cpu->pio.rip)
		return;
	if (count) {
		/* Memory may turn out to be MMIO; nothing here has to be started again. */
		cpu->careful = true;
		done = ins_store(cpu, count, address);
		cpu->careful = false;
		if (!done) {
			cpu->mmio_write_count = 0;
			return;
		}
		index_advance(cpu, RDI, address, string_step(cpu, size) * (int64_t)count);
		if (cpu->pio.rep)
			index_advance(cpu, RCX, address, -(int64_t)count);
	}
	if (!cpu->pio.rep || !(cpu->gpr[RCX] & address_mask(address)))
		cpu->rip = rip_behind(cpu, cpu->pio.length);
}

void io_complete(struct x86_vcpu *cpu)
{
	cpu->mmio_write_count = cpu->mmio_write_told = 0;
	if (cpu->pio.count == 0)
		return;
	if (cpu->pio.string)
		ins_complete(cpu);
	else
		simple_complete(cpu);
	cpu->pio.count = 0;
}
