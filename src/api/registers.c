/*
 * The public face of include/anykvm/anykvm.h: registers by id and by name. Everything goes through the ioctls, whatever KVM answers them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "core/call.h"
#include "vm/registers.h"

/* No KVM has so many. */
#define LIST_MAX 65536

static long call(int vcpu, unsigned long request, const void *argument)
{
	api_begin(request);
	return call_ioctl(vcpu, (unsigned int)request, (unsigned long)argument);
}

PUBLIC int anykvm_reg_list(int vcpu, uint64_t *ids, size_t room)
{
	struct kvm_reg_list *list;
	long result;

	room = room < LIST_MAX ? room : LIST_MAX;
	list = malloc(sizeof *list + room * sizeof list->reg[0]);
	if (!list)
		return api_end(-ENOMEM);
	list->n = room;
	result = call(vcpu, KVM_GET_REG_LIST, list);
	if (!result && list->n)
		memcpy(ids, list->reg, list->n * sizeof *ids);
	if (!result || result == -E2BIG)
		result = (long)list->n;
	free(list);
	return api_end(result);
}

static int one(int vcpu, unsigned long request, uint64_t id, const void *value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uint64_t)value };

	return api_end(call(vcpu, request, &reg));
}

PUBLIC int anykvm_reg_get(int vcpu, uint64_t id, void *value)
{
	return one(vcpu, KVM_GET_ONE_REG, id, value);
}

PUBLIC int anykvm_reg_set(int vcpu, uint64_t id, const void *value)
{
	return one(vcpu, KVM_SET_ONE_REG, id, value);
}

static int many(int vcpu, unsigned long request, const struct kvm_one_reg *regs, size_t count)
{
	struct {
		uint64_t n;
		struct kvm_one_reg reg[REGISTERS_MAX];
	} call_regs;

	/* More than that is refused before the array is looked at. */
	call_regs.n = count;
	if (count <= REGISTERS_MAX)
		memcpy(call_regs.reg, regs, count * sizeof *regs);
	return api_end(call(vcpu, request, &call_regs));
}

PUBLIC int anykvm_regs_get(int vcpu, const struct kvm_one_reg *regs, size_t count)
{
	return many(vcpu, KVM_GET_MANY_REGS, regs, count);
}

PUBLIC int anykvm_regs_set(int vcpu, const struct kvm_one_reg *regs, size_t count)
{
	return many(vcpu, KVM_SET_MANY_REGS, regs, count);
}

/* ---- By name. ---- */

static int name_find(int vcpu, const char *name, uint64_t *id)
{
	char nearest[ANYKVM_REG_NAME_ROOM];
	uint64_t arch = anykvm_arch(vcpu);

	if (!arch)
		return -EBADF;
	api_begin(0);
	if (!anykvm_reg_parse(arch, name, id))
		return 0;
	if (!anykvm_reg_suggest(arch, name, nearest, sizeof nearest))
		return why(-ENOENT, "%s: no %s register; did you mean %s?", name, anykvm_arch_name(arch), nearest);
	return why(-ENOENT, "%s: no %s register", name, anykvm_arch_name(arch));
}

PUBLIC int anykvm_reg_get_text(int vcpu, const char *name, char *text, size_t room)
{
	uint8_t value[ANYKVM_REG_SIZE_MAX];
	uint64_t id;
	int error = name_find(vcpu, name, &id);

	if (error)
		return api_end(error);
	if (anykvm_reg_get(vcpu, id, value))
		return -1;
	return api_end(anykvm_value_print(value, anykvm_reg_size(id), text, room));
}

PUBLIC int anykvm_reg_set_text(int vcpu, const char *name, const char *text)
{
	uint8_t value[ANYKVM_REG_SIZE_MAX];
	uint64_t id;
	int error = name_find(vcpu, name, &id);

	if (error)
		return api_end(error);
	error = anykvm_value_parse(text, value, anykvm_reg_size(id));
	if (error)
		return api_end(why(error, error == -ERANGE ? "%s: %s has more than %zu bits" : "%s: %s is no number of %zu bits", name, text, 8 * anykvm_reg_size(id)));
	return anykvm_reg_set(vcpu, id, value);
}
