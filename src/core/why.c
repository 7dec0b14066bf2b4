/*
 * Reasons of refusals: kept per thread between the check that refuses and the end of the call.
 */
#include "core/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool why_enabled;

static _Thread_local char reason[512];
static _Thread_local bool reason_set;

__attribute__((constructor)) static void why_init(void)
{
	const char *value = getenv("ANYKVM_WHY");

	why_enabled = value && *value && !(value[0] == '0' && !value[1]);
}

int why_set(int error, const char *format, ...)
{
	va_list arguments;

	if (reason_set)
		return error;
	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	reason_set = true;
	return error;
}

const char *why_get(void)
{
	return reason_set ? reason : NULL;
}

void why_clear(void)
{
	reason_set = false;
}
