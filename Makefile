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

objs      = $(patsubst %.c,$(B)/%.o,$(filter-out $(2),$(wildcard $(1)/*.c)))
COMMON   := $(call objs,common)
DAEMON   := $(call objs,daemon,daemon/main.c)
WORKER   := $(call objs,worker)
CTL      := $(call objs,ctl,ctl/main.c)
SIM      := $(call objs,tests/simprovider)
LOAD     := $(call objs,tests/load)
UNIT     := $(call objs,tests/unit)

ifeq ($(FLAVOUR),release)
BIN      := build
else
BIN      := $(B)
endif
PROGRAMS := $(BIN)/grayd $(BIN)/grayctl $(BIN)/simprovider

all: $(PROGRAMS)

$(BIN)/grayd: $(B)/daemon/main.o $(DAEMON) $(WORKER) $(COMMON)
$(BIN)/grayctl: $(B)/ctl/main.o $(CTL) $(COMMON)
$(BIN)/simprovider: $(SIM) $(COMMON)
$(BIN)/loadgen: $(LOAD) $(COMMON)
$(BIN)/unit: LIBS += -lcunit
$(BIN)/unit: $(UNIT) $(DAEMON) $(WORKER) $(CTL) $(COMMON)

$(PROGRAMS) $(BIN)/loadgen $(BIN)/unit:
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lm

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(DEPFLAGS) $(ALLFLAGS) -c -o $@ $<

-include $(shell find build -name '*.d' 2>/dev/null)

.PHONY: all
.DELETE_ON_ERROR:
