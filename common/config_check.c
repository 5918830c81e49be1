// SPDX-License-Identifier: MIT
/*
 * What the config's strings must look like, and the rules between fields; see config_fields.h. The
 * string checks return NULL or, for the message, what was expected. A name that passes can stand
 * in a header, a log line and a label without being quoted.
 */
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/config_fields.h"

/* ---- strings --------------------------------------------------------------------------------- */

static bool
all_visible(const char *text, const char *except)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || strchr(except, *text) != NULL)
			return false;
	return true;
}

const char *
check_name(const char *text)
{
	if (*text != '\0' && strlen(text) < NAME_BYTES && all_visible(text, "\"'`\\"))
		return NULL;
	return "1 to 127 visible ASCII characters without quotes and backslashes";
}

const char *
config_check_name(const char *text)
{
	return check_name(text);
}

const char *
check_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "a string without control bytes";
	return NULL;
}

const char *
check_header_value(const char *text)
{
	return all_visible(text, "") ? NULL : "visible ASCII characters";
}

const char *
check_env_name(const char *text)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	if (text[strspn(text, allowed)] == '\0' && (*text < '0' || *text > '9'))
		return NULL;
	return "the name of an environment variable (letters, digits and _), not the key itself";
}

const char *
check_file_name(const char *text)
{
	if (strchr(text, '/') == NULL && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	    all_visible(text, ""))
		return NULL;
	return "the name of a file in $CREDENTIALS_DIRECTORY, without \"/\"";
}

/* The part of a URL after "//": HOST or [HOST], then perhaps :PORT. Returns what follows, or NULL.
 */
static const char *
skip_authority(const char *text)
{
	size_t n;

	if (*text == '[') {
		n = strspn(text + 1, "0123456789abcdefABCDEF:.");
		if (n == 0 || text[n + 1] != ']')
			return NULL;
		text += n + 2;
	} else {
		n = strspn(
		    text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");
		if (n == 0)
			return NULL;
		text += n;
	}
	if (*text != ':')
		return text;
	n = strspn(text + 1, "0123456789");
	if (n == 0 || n > 5 || atoi(text + 1) < 1 || atoi(text + 1) > 65535)
		return NULL;
	return text + 1 + n;
}

static const char *
skip_scheme(const char *text, const char *const *schemes)
{
	for (; *schemes != NULL; schemes++)
		if (strncmp(text, *schemes, strlen(*schemes)) == 0)
			return text + strlen(*schemes);
	return NULL;
}

const char *
check_base_url(const char *text)
{
	static const char *const schemes[] = { "https://", "http://", NULL };
	const char *rest = skip_scheme(text, schemes);

	if (rest != NULL)
		rest = skip_authority(rest);
	if (rest != NULL && (*rest == '\0' || *rest == '/') && all_visible(rest, "?#@\"'`\\<>"))
		return NULL;
	return "https://HOST[:PORT][/PATH] (or http://), without user, \"?\" and \"#\"";
}

const char *
check_proxy(const char *text)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://",
		NULL };
	const char *rest = skip_scheme(text, schemes);

	if (*text == '\0')
		return NULL;
	if (rest != NULL)
		rest = skip_authority(rest);
	if (rest != NULL && (*rest == '\0' || strcmp(rest, "/") == 0))
		return NULL;
	return "http://HOST:PORT, https://, socks5:// or socks5h://, without user and password";
}

const char *
check_listen(const char *text)
{
	struct address ignored;
	const char *expected = check_plain(text);

	return expected != NULL ? expected : address_parse(text, &ignored);
}

const char *
check_admin_listen(const char *text)
{
	return *text == '\0' ? NULL : check_listen(text);
}

const char *
check_socket_path(const char *text)
{
	if (strlen(text) > UNIX_PATH_MAX)
		return "a path of at most 107 bytes";
	return check_plain(text);
}

const char *
check_account(const char *text)
{
	return *text != '-' && all_visible(text, ":,/\"'") ? NULL : "the name of a user or group";
}

const char *
check_operator(const char *text)
{
	if (*text == '@')
		text++;
	return *text != '\0' && *text != '@' && check_account(text) == NULL
		   ? NULL
		   : "a user's name, or \"@\" and a group's";
}

/* ---- between fields -------------------------------------------------------------------------- */

int
finish_provider(struct reader *r, void *base, const cJSON *given)
{
	struct config_provider *p = base;
	size_t n = strlen(p->base_url);

	while (p->base_url[n - 1] == '/')
		p->base_url[--n] = '\0';
	if (cJSON_GetObjectItemCaseSensitive(given, "api_key") == NULL)
		return 0;
	p->api_key_source = keys_describe(&p->key);
	return p->api_key_source == NULL ? reader_no_memory(r) : 0;
}

int
finish_model(struct reader *r, void *base, const cJSON *given)
{
	struct config_model *m = base;

	(void)given;
	if (m->name != NULL)
		return 0;
	m->name = strdup(m->id);
	return m->name == NULL ? reader_no_memory(r) : 0;
}

static bool
is_stage(const struct config_release *release, unsigned percent)
{
	for (unsigned i = 0; i < release->n_stages; i++)
		if (release->stages[i] == percent)
			return true;
	return false;
}

/* Whether the guard could ever roll back or hold. */
static bool
guard_can_object(const struct config_guard *guard)
{
	for (unsigned i = 0; i < SYMPTOM_COUNT; i++)
		if (guard->symptoms[i].action <= ACTION_HOLD)
			return true;
	for (unsigned i = 0; i < VALUE_COUNT; i++)
		if (guard->values[i].action <= ACTION_HOLD)
			return true;
	return false;
}

/* A fault of the plan's own key. */
#define FAIL_PLAN(r, given, key, ...) \
	(reader_enter(r, "plan"),     \
	    reader_fail_key(r, cJSON_GetObjectItemCaseSensitive(given, "plan"), key, __VA_ARGS__))

static int
check_plan(struct reader *r, const struct config_release *release, const cJSON *given)
{
	const struct config_plan *plan = &release->plan;

	for (unsigned i = 0; i < plan->n_gates; i++)
		if (!is_stage(release, plan->gates[i]))
			return FAIL_PLAN(
			    r, given, "gates", "%u is none of the stages", plan->gates[i]);
	if (plan->mode == PLAN_MANUAL)
		return 0;
	if (plan->step_deadline_ms < plan->settle_ms + plan->dwell_ms)
		return FAIL_PLAN(r, given, "step_deadline_ms",
		    "less than settle_ms and dwell_ms together (%llu): each step would end by its "
		    "deadline; raise it, or lower those",
		    (unsigned long long)(plan->settle_ms + plan->dwell_ms));
	if (plan->mode != PLAN_AUTO)
		return 0;
	if (release->guard.mode == GUARD_OFF)
		return FAIL_PLAN(r, given, "mode",
		    "\"auto\" goes by what the guard says, and guard.mode is \"off\": let it be "
		    "\"rollback\", or "
		    "plan.mode \"timed\" or \"manual\"");
	if (!guard_can_object(&release->guard))
		return FAIL_PLAN(r, given, "mode",
		    "\"auto\" goes by what the guard says, and no symptom or value has the action "
		    "\"rollback\" or \"hold\"; give one to some of guard.symptoms, or set this to "
		    "\"timed\"");
	return 0;
}

int
finish_release(struct reader *r, void *base, const cJSON *given)
{
	struct config_release *release = base;

	release->index = (unsigned)(release - r->config->releases);
	if (release->arms[ARM_CANDIDATE] == release->arms[ARM_STABLE])
		return reader_fail_key(r, given, "candidate", "the same model as \"stable\"");
	return check_plan(r, release, given);
}

int
finish_symptom(struct reader *r, void *base, const cJSON *given)
{
	const struct config_symptom *s = base;

	if (s->weight > 0)
		return 0;
	return reader_fail_key(
	    r, given, "weight", "expected more than 0; to ignore it, use \"action\": \"off\"");
}

/* With port 0 the kernel chooses one, so the same text twice is two addresses. */
static bool
is_any_port(const char *listen)
{
	const char *colon = strrchr(listen, ':');

	return strncmp(listen, "unix:", 5) != 0 && strcmp(colon, ":0") == 0;
}

static int
check_listeners(struct reader *r, const struct config *c, const cJSON *given)
{
	for (unsigned i = 0; i < c->n_listen; i++) {
		struct address a;
		bool local = address_parse(c->listen[i], &a) == NULL && address_is_local(&a);

		if (!local && c->n_clients == 0)
			return reader_fail_key(r, given, "listen",
			    "%s can be reached from outside, and without \"clients\" anybody may "
			    "use it; name clients, or listen on loopback or unix: only",
			    c->listen[i]);
		if (strcmp(c->listen[i], c->admin_listen) == 0 && !is_any_port(c->listen[i]))
			return reader_fail_key(
			    r, given, "admin_listen", "the same as an item of \"listen\"");
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	const struct config_client *const *one = a, *const *other = b;

	return strcmp((*one)->name, (*other)->name);
}

static int
compare_hashes(const void *a, const void *b)
{
	const struct config_client *const *one = a, *const *other = b;

	return memcmp((*one)->key_hash, (*other)->key_hash, sizeof((*one)->key_hash));
}

/* Sorted, the same stands beside the same: there may be thousands. */
static int
check_unique(struct reader *r, const struct config_client **all, const cJSON *list,
    int (*compare)(const void *, const void *), const char *key)
{
	const struct config *c = r->config;

	qsort(all, c->n_clients, sizeof(all[0]), compare);
	for (unsigned i = 1; i < c->n_clients; i++) {
		bool falls = all[i] < all[i - 1];
		unsigned first = (unsigned)(all[falls ? i : i - 1] - c->clients);
		unsigned second = (unsigned)(all[falls ? i - 1 : i] - c->clients);

		if (compare(&all[i - 1], &all[i]) != 0)
			continue;
		reader_enter_item(r, second);
		return reader_fail_key(r, cJSON_GetArrayItem(list, (int)second), key,
		    "the same as that of clients[%u]", first);
	}
	return 0;
}

static int
check_clients(struct reader *r, const struct config *c, const cJSON *given)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(given, "clients");
	const struct config_client **all;
	int rc;

	if (c->n_clients == 0)
		return 0;
	all = calloc(c->n_clients, sizeof(all[0]));
	if (all == NULL)
		return reader_no_memory(r);
	for (unsigned i = 0; i < c->n_clients; i++)
		all[i] = &c->clients[i];
	reader_enter(r, "clients");
	rc = check_unique(r, all, list, compare_names, "name");
	if (rc == 0)
		rc = check_unique(r, all, list, compare_hashes, "key_hash");
	if (rc == 0)
		reader_leave(r, 0);
	free(all);
	return rc;
}

/* Workers look for all of them in each body, so there is a limit over all releases. */
static int
check_body_keys(struct reader *r, const struct config *c, const cJSON *given)
{
	const struct config_sticky *seen[STICKY_BODY_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_releases * STICKY_MAX; i++) {
		const struct config_release *release = &c->releases[i / STICKY_MAX];
		const struct config_sticky *s = &release->sticky[i % STICKY_MAX];
		unsigned j = 0;

		if (i % STICKY_MAX >= release->n_sticky || s->kind != STICKY_BODY)
			continue;
		while (j < n && !config_sticky_equal(seen[j], s))
			j++;
		if (j == STICKY_BODY_MAX)
			return reader_fail_key(r, given, "releases",
			    "more than %d different \"body:\" keys in \"sticky\" of all releases",
			    STICKY_BODY_MAX);
		if (j == n)
			seen[n++] = s;
	}
	return 0;
}

/* Each admission of a minute is remembered, so there is a limit over all limits. */
static int
check_rates(struct reader *r, const struct config *c, const cJSON *given)
{
	uint64_t clients = 0, models = 0;

	for (unsigned i = 0; i < c->n_clients; i++)
		clients += c->clients[i].rate_per_minute;
	for (unsigned i = 0; i < c->n_models; i++)
		models += c->models[i].rate_per_minute;
	if (clients + models <= RATES_MAX)
		return 0;
	return reader_fail_key(r, given, clients > models ? "clients" : "models",
	    "all \"rate_per_minute\" of clients and models together are %llu; at most %u can be "
	    "kept",
	    (unsigned long long)(clients + models), RATES_MAX);
}

int
finish_root(struct reader *r, void *base, const cJSON *given)
{
	const struct config *c = base;

	if (check_listeners(r, c, given) != 0 || check_clients(r, c, given) != 0)
		return -1;
	if (check_rates(r, c, given) != 0)
		return -1;
	return check_body_keys(r, c, given);
}
