// SPDX-License-Identifier: MIT
/* Measurement of other processes; see watch.h. */
#include "tests/load/watch.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* The time a thread has run; false: it is gone. */
static bool
thread_ns(pid_t pid, const char *thread, uint64_t *ns)
{
	char path[320];
	unsigned long long value;
	FILE *f;
	bool read;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, thread);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	read = fscanf(f, "%llu", &value) == 1;
	fclose(f);
	if (read)
		*ns += value;
	return read;
}

static bool
process_ns(pid_t pid, uint64_t *ns)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	bool any = false;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			any |= thread_ns(pid, entry->d_name, ns);
	}
	closedir(dir);
	return any;
}

static bool
process_memory(pid_t pid, struct watch *w)
{
	char path[64], line[128];
	unsigned long long kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Pss: %llu", &kb) == 1)
			w->pss_kb += kb;
		else if (sscanf(line, "Rss: %llu", &kb) == 1)
			w->rss_kb += kb;
	}
	fclose(f);
	return true;
}

struct watch
watch_read(const pid_t *pids, unsigned n)
{
	struct watch w = { 0 };
	uint64_t ns = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		w.lost |= !process_ns(pids[i], &ns);
	for (i = 0; i < n; i++)
		w.lost |= !process_memory(pids[i], &w);
	w.cpu_us = ns / 1000;
	return w;
}
