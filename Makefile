# SPDX-License-Identifier: MIT
# One Makefile, no lists of files: a new .c file in a folder is picked up by itself.
# Objects live under build/<flavour>/, so plain and sanitizer builds stand side by side.

VERSION  := 0.1.0
CC       ?= cc
prefix   ?= /usr/local
DESTDIR  ?=
SAN      ?=
DEBUG    ?=
CONFIG   ?= etc/demo.json
comma    := ,

ifneq ($(SAN),)
FLAVOUR  := $(subst $(comma),-,$(SAN))
OPT      := -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
else ifneq ($(DEBUG),)
FLAVOUR  := debug
OPT      := -Og
else
FLAVOUR  := release
OPT      := -O2 -D_FORTIFY_SOURCE=2
endif
# Another compiler gets a folder of its own.
ifneq ($(filter-out cc gcc,$(notdir $(CC))),)
FLAVOUR  := $(FLAVOUR)-$(notdir $(CC))
endif
B        := build/$(FLAVOUR)

WARN     := -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef \
            -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 \
            -Wimplicit-fallthrough -Wdouble-promotion -Wredundant-decls -Wnested-externs
CFLAGS   ?= -g
CPPFLAGS += -I. -D_GNU_SOURCE -DGRAYD_VERSION='"$(VERSION)"'
ALLFLAGS  = -std=gnu11 $(OPT) $(WARN) $(WERROR) -fstack-protector-strong -fPIE $(CFLAGS) -MMD -MP
LDFLAGS  += -pie -Wl,-z,relro,-z,now

PKG      := libevent_core libcurl libcjson libsodium
# Asked once and late, so that `make help` and `make deps` work before the libraries are there.
DEPFLAGS  = $(eval DEPFLAGS := $$(shell pkg-config --cflags $(PKG)))$(DEPFLAGS)
LIBS      = $(eval LIBS := $$(shell pkg-config --libs $(PKG)))$(LIBS)

# One short line a file; V=1 shows the commands.
V        ?=
Q        := $(if $(V),,@)
SAY      := @$(if $(V),:,echo)

objs      = $(patsubst %.c,$(B)/%.o,$(filter-out $(2),$(wildcard $(1)/*.c)))
COMMON   := $(call objs,common)
DAEMON   := $(call objs,daemon,daemon/main.c)
WORKER   := $(call objs,worker)
CTL      := $(call objs,ctl,ctl/main.c)
SIM      := $(call objs,tests/simprovider)
LOAD     := $(call objs,tests/load)
UNIT     := $(call objs,tests/unit)
GUARD    := $(call objs,tests/guard)

ifeq ($(FLAVOUR),release)
BIN      := build
else
BIN      := $(B)
endif
PROGRAMS := $(BIN)/grayd $(BIN)/grayctl $(BIN)/simprovider

PAGES    := $(wildcard daemon/*.[1-9] ctl/*.[1-9] tests/simprovider/*.[1-9])

all: $(PROGRAMS) ## grayd, grayctl and simprovider under build/

$(BIN)/grayd: $(B)/daemon/main.o $(DAEMON) $(WORKER) $(COMMON)
$(BIN)/grayctl: $(B)/ctl/main.o $(CTL) $(COMMON)
$(BIN)/simprovider: $(SIM) $(COMMON)
$(BIN)/loadgen: $(LOAD) $(COMMON)
$(BIN)/unit: TESTLIBS := -lcunit
$(BIN)/unit: $(UNIT) $(DAEMON) $(WORKER) $(CTL) $(COMMON)

$(BIN)/guardsim: $(GUARD) $(DAEMON) $(WORKER) $(COMMON)

$(PROGRAMS) $(BIN)/loadgen $(BIN)/unit $(BIN)/guardsim:
	@mkdir -p $(@D)
	$(SAY) "link $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(TESTLIBS) -lm

# Fuzz targets, with CC=clang SAN=fuzzer-no-link,address,undefined; tests/fuzz/run does that.
FUZZ     := $(patsubst tests/fuzz/%.c,$(BIN)/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: $(FUZZ)
$(FUZZ): $(BIN)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(DAEMON) $(WORKER) $(COMMON)
	$(SAY) "link $@"
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS) -lm

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) "cc   $<"
	$(Q)$(CC) $(CPPFLAGS) $(DEPFLAGS) $(ALLFLAGS) -c -o $@ $<

-include $(shell find build -name '*.d' 2>/dev/null)

# ---- what people type -------------------------------------------------------------------------

run: ## build, then run grayd with two simulated models; CONFIG=path runs that config instead
	@etc/setup build
	@$(MAKE) -s --no-print-directory all
	@GRAYD_BUILD=$(BIN) exec etc/run "$(CONFIG)"

check: ## install what the tests need, build, run every test; SAN=address,undefined for sanitizers
	@etc/setup check
	@$(MAKE) --no-print-directory all $(BIN)/loadgen $(BIN)/unit WERROR=-Werror
	@GRAYD_BUILD=$(BIN) tests/run

check-long: ## the heavy versions of the tests: fuzzing, many requests, many kills
	@etc/setup check long
	@$(MAKE) --no-print-directory all $(BIN)/loadgen $(BIN)/unit $(BIN)/guardsim WERROR=-Werror
	@GRAYD_BUILD=$(BIN) tests/run --long

bench: ## processor time a request and a token, beside nginx and HAProxy
	@etc/setup build
	@$(MAKE) --no-print-directory all $(BIN)/loadgen
	@GRAYD_BUILD=$(BIN) tests/bench/run

debug: ## a build for the debugger, under build/debug/
	@$(MAKE) --no-print-directory all DEBUG=1

lint: ## clang-tidy and cppcheck, where they are installed, and the project's own rules
	@tests/lint/run

format: ## clang-format over all sources
	clang-format -i $(shell git ls-files '*.c' '*.h')

install: all ## to $(DESTDIR)$(prefix); programs, man pages, example configs
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/bin
	install -m 755 $(BIN)/grayd $(DESTDIR)$(prefix)/sbin/
	install -m 755 $(BIN)/grayctl $(BIN)/simprovider $(DESTDIR)$(prefix)/bin/
	for page in $(PAGES); do \
	    dir=$(DESTDIR)$(prefix)/share/man/man$${page##*.}; \
	    install -d $$dir && install -m 644 $$page $$dir/ || exit 1; done
	install -d $(DESTDIR)$(prefix)/share/doc/grayd
	install -m 644 README.md LICENSE etc/*.json etc/grayd.service etc/grayd.socket \
	    etc/prometheus-alerts.yml $(DESTDIR)$(prefix)/share/doc/grayd/
	install -m 644 tests/simprovider/README.md $(DESTDIR)$(prefix)/share/doc/grayd/simprovider.md
	install -m 644 daemon/guard.md $(DESTDIR)$(prefix)/share/doc/grayd/
	install -m 755 etc/rollout.sh $(DESTDIR)$(prefix)/share/doc/grayd/
	install -d $(DESTDIR)$(prefix)/share/bash-completion/completions
	$(BIN)/grayctl completion > $(DESTDIR)$(prefix)/share/bash-completion/completions/grayctl

uninstall: ## what install put there
	rm -f $(DESTDIR)$(prefix)/sbin/grayd $(DESTDIR)$(prefix)/bin/grayctl $(DESTDIR)$(prefix)/bin/simprovider
	for page in $(PAGES); do \
	    rm -f $(DESTDIR)$(prefix)/share/man/man$${page##*.}/$${page##*/}; done
	rm -rf $(DESTDIR)$(prefix)/share/doc/grayd
	rm -f $(DESTDIR)$(prefix)/share/bash-completion/completions/grayctl

clean: ## everything under build/
	rm -rf build

help: ## this list
	@echo "grayd $(VERSION): releases AI models to real traffic, gradually"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo "  make CC=clang, make DEBUG=1, make SAN=address,undefined build beside each other"

.PHONY: all fuzz run check check-long bench debug lint format install uninstall clean help
.DELETE_ON_ERROR:
