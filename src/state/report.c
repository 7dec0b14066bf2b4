/*
 * Reports: a list of misfits with texts of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "state/state.h"

struct anykvm_report {
	struct anykvm_misfit *misfits;
	size_t count;
};

PUBLIC struct anykvm_report *anykvm_report_new(void)
{
	return calloc(1, sizeof(struct anykvm_report));
}

PUBLIC size_t anykvm_report_count(const struct anykvm_report *report)
{
	return report->count;
}

PUBLIC const struct anykvm_misfit *anykvm_report_at(const struct anykvm_report *report, size_t position)
{
	return position < report->count ? &report->misfits[position] : NULL;
}

/* "" when there is no text, or no memory for it: it is freed only when it is not. */
static const char *kept(const char *text)
{
	const char *copy = text && *text ? strdup(text) : NULL;

	return copy ? copy : "";
}

static void drop(const char *text)
{
	if (*text)
		free((char *)text);
}

void report_add(struct anykvm_report *report, struct anykvm_misfit misfit)
{
	struct anykvm_misfit *grown;

	if (!report)
		return;
	grown = realloc(report->misfits, (report->count + 1) * sizeof *grown);
	if (!grown)
		return;
	report->misfits = grown;
	report->misfits[report->count++] = (struct anykvm_misfit){
		misfit.vcpu, kept(misfit.name), kept(misfit.field), kept(misfit.saved), kept(misfit.possible), kept(misfit.rule), kept(misfit.remedy),
	};
}

PUBLIC void anykvm_report_free(struct anykvm_report *report)
{
	for (size_t i = 0; report && i < report->count; i++) {
		const struct anykvm_misfit *misfit = &report->misfits[i];
		const char *const texts[] = { misfit->name, misfit->field, misfit->saved, misfit->possible, misfit->rule, misfit->remedy };

		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
			drop(texts[k]);
	}
	if (report)
		free(report->misfits);
	free(report);
}
