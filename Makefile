# SPDX-License-Identifier: GPL-2.0-only
#
# Without KDIR everything is built inside the build root (qemu/root), for the
# stock kernel there or, with KERNEL=debug, for the debug kernel.  With KDIR= it
# is built right here, with this machine's compiler, against that kernel build
# directory.

SHELL := /bin/bash
SILENT := $(if $(findstring s,$(firstword -$(MAKEFLAGS))),-s)

TESTS := $(patsubst %.c,build/%,$(wildcard selftests/*.c selftests/programs/*.c))
BENCH := build/bench/p2pbuf-bench
COMMAND := build/cli/p2pbuf
DRM := build/drm/p2pbuf-drm
IGT := build/drm/prime_p2pbuf
PROTOCOL := build/drm/igt-protocol
ALLOWLIST := build/cli/p2pdma-allowlist

prefix ?= /usr/local
datadir ?= $(prefix)/share

.DEFAULT_GOAL := all
.PHONY: all modules programs demo check check-debug check-debug-long check-matrix \
	check-drm bench bench-full helper-patch docs check-docs lint clean help

help:
	@echo 'make            kernel modules, the command p2pbuf, selftests'
	@echo 'make modules    kernel modules only'
	@echo 'make demo       move data by every route in QEMU and show a table'
	@echo 'make check      every selftest on every topology in QEMU'
	@echo 'make check-debug     the same under a kernel that checks itself, and more'
	@echo 'make check-debug-long    the same for longer'
	@echo 'make check-matrix   every topology with every IOMMU, seen and expected'
	@echo 'make check-drm  DRM drivers with page-less DMABUFs, by libdrm and as IGT does'
	@echo 'make helper-patch   corrections of dma_buf_phys_vec_to_sgt() as a patch to send'
	@echo 'make bench      p2pbuf beside everything a driver could use instead'
	@echo 'make bench-full      the same with all layouts, sizes and IOMMUs'
	@echo 'make docs       build/docs/html and build/docs/man, without a warning'
	@echo 'make check-docs the commands in README and Documentation, and what they print'
	@echo 'make lint       checkpatch, sparse, kernel-doc, shellcheck, W=1'
	@echo 'make install    what was built but the modules, below DESTDIR and prefix'
	@echo 'make modules_install   modules, for KDIR'
	@echo 'make deb        Debian packages'
	@echo 'make check-packages    build them, install them, look, purge'
	@echo 'make clean      remove build/'
	@echo
	@echo 'KDIR=DIR        build here against a kernel build directory,'
	@echo '                without it in the build root (see qemu/root --help)'
	@echo 'KDIR=none       build here what needs no kernel: the command, manual pages'
	@echo 'KERNEL=debug    build for the debug kernel in the build root'

ifndef KDIR

KERNEL ?= stock

# $(MAKEOVERRIDES) carries the variables of our own command line along.
ROOT_MAKE = $(MAKE) $(SILENT) --no-print-directory -j$(shell nproc) \
	$(MAKEOVERRIDES) KDIR=$$kdir
# One build at a time in a tree: qemu/run builds too, and there may be several.
IN_ROOT = +@unset MAKEFLAGS MFLAGS && kdir=$$(qemu/root kdir $(KERNEL)) && \
	mkdir -p build && flock build/lock qemu/root exec

modules $(BENCH) $(COMMAND) $(DRM) $(IGT) $(PROTOCOL):
	$(IN_ROOT) -- $(ROOT_MAKE) $@

# The selftests need kselftest_harness.h, out of the kernel source package.
all programs:
	$(IN_ROOT) --extras -- $(ROOT_MAKE) $@

helper-patch:
	$(IN_ROOT) --extras -- $(ROOT_MAKE) $@

.PHONY: $(BENCH) $(COMMAND) $(DRM) $(IGT) $(PROTOCOL)

else

RELEASE := $(if $(filter-out none,$(KDIR)),$(shell cat $(KDIR)/include/config/kernel.release))

# Where kselftest_harness.h is: the kernel's own tree, or the build root's copy.
KSELFTEST ?= $(dir $(firstword $(wildcard \
	$(addsuffix /tools/testing/selftests/kselftest_harness.h, \
		$(KDIR) $(KDIR)/source /usr/src/linux-tools))))

# Where the kernel's helper is, if at all: likewise.
HELPER := drivers/dma-buf/dma-buf-mapping.c
P2PBUF_LINUX ?= $(patsubst %/$(HELPER),%,$(firstword $(wildcard \
	$(addsuffix /$(HELPER),$(KDIR) $(KDIR)/source /usr/src/linux-tools))))
HELPER_PATCH := build/bench/0001-dma-buf-fix-mapping-of-several-ranges.patch

# MO keeps everything that kbuild generates out of the source tree.
OUT := build/$(RELEASE)

modules:
	@mkdir -p $(OUT)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) \
		MO=$(CURDIR)/$(OUT) W=1 \
		P2PBUF_LINUX=$(abspath $(P2PBUF_LINUX)) modules

# The harness compares what it is given, signed or not.
CFLAGS := -O2 -g -Wall -Wextra -Wno-sign-compare -Werror -Iuapi -Ilib -Iselftests/lib
CALLS_C := $(wildcard lib/*.c)
CALLS := $(CALLS_C:%.c=build/objects/%.o)
LIB_C := $(CALLS_C) $(wildcard selftests/lib/*.c)
LIB := build/objects/lib.a
HEADERS := $(wildcard lib/*.h selftests/lib/*.h selftests/*.h uapi/*/*.h)

all: modules programs

# What the programs share is compiled once.
build/objects/%.o: %.c $(HEADERS)
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) -c -o $@ $<

$(LIB): $(LIB_C:%.c=build/objects/%.o)
	@$(if $(SILENT),:,echo '  AR      $@')
	@rm -f $@
	@$(AR) rcs $@ $^

# Where libdrm's headers are. Without them, or with a C library's headers that do not have
# the kernel's for DRM (Debian 12), its programs are left out of "programs".
LIBDRM := $(if $(wildcard /usr/include/drm/vgem_drm.h),$(addprefix -I,$(firstword \
	$(wildcard $(addsuffix /libdrm,/usr/local/include /usr/include)))))

programs: $(TESTS) $(BENCH) $(COMMAND) $(if $(LIBDRM),$(DRM) $(IGT) $(PROTOCOL)) \
	$(if $(P2PBUF_LINUX),$(ALLOWLIST))

$(TESTS): private CFLAGS += $(if $(KSELFTEST),-I$(KSELFTEST),\
	$(error no kselftest_harness.h: set KSELFTEST to its directory))

BENCH_C := $(wildcard bench/guest/*.c)

$(BENCH): $(BENCH_C) $(wildcard bench/guest/*.h bench/kmod/*_ioctl.h) $(LIB) $(HEADERS)
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) -static -o $@ $(BENCH_C) $(LIB) -lpthread

COMMAND_C := $(wildcard cli/*.c)

$(COMMAND): private CFLAGS += -DVERSION='"$(shell cat VERSION)"' \
	-DALLOWLIST='"$(datadir)/p2pbuf/$(notdir $(ALLOWLIST))"'
$(COMMAND): $(COMMAND_C) $(wildcard cli/*.h) $(CALLS) $(HEADERS) VERSION
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) -o $@ $(COMMAND_C) $(CALLS) -lpci -ljson-c

DRM_C := $(wildcard drm/*.c)

$(DRM): $(DRM_C) $(wildcard drm/*.h) $(LIB) $(HEADERS)
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) $(LIBDRM) -o $@ $(DRM_C) $(LIB) -ldrm -lpthread

# On libigt itself with IGT_SRC=, where IGT's source was built in its directory "build".
ifdef IGT_SRC
IGT_ON := $(addprefix -isystem $(IGT_SRC)/,lib include include/drm-uapi include/linux-uapi build) \
	$(shell pkg-config --cflags cairo pciaccess pixman-1) \
	-L$(IGT_SRC)/build/lib -Wl,-rpath,$(abspath $(IGT_SRC))/build/lib -ligt
else
SHIM_C := $(wildcard drm/igt/shim/*.c)
IGT_ON := -Idrm/igt/shim
endif

$(IGT): $(wildcard drm/igt/*.c)
$(PROTOCOL): drm/igt/shim/test/protocol.c
$(IGT) $(PROTOCOL): $(SHIM_C) $(wildcard drm/igt/*.h drm/igt/shim/*.h) $(HEADERS)
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) $(LIBDRM) -o $@ $(filter %.c,$^) $(IGT_ON) -ldrm

# Of a kernel that the generator does not know there is no list, and "p2pbuf topo" says so.
$(ALLOWLIST): cli/allowlist.py $(addprefix $(P2PBUF_LINUX)/,Makefile \
		drivers/pci/p2pdma.c include/linux/pci_ids.h)
	@mkdir -p $(@D)
	@rm -f $@
	-@cli/allowlist.py $(P2PBUF_LINUX) $@

# They read the command's documents.
build/selftests/test_cli build/selftests/test_topo: LDLIBS := -ljson-c

build/%: %.c $(LIB) $(HEADERS)
	@mkdir -p $(@D)
	@$(if $(SILENT),:,echo '  CC      $@')
	@$(CC) $(CFLAGS) -static -o $@ $< $(LIB) $(LDLIBS) -lpthread

helper-patch:
	@bench/correct.py --patch $(or $(P2PBUF_LINUX),$(error no kernel source: \
		set P2PBUF_LINUX to its directory))/$(HELPER) $(HELPER_PATCH)
	@echo $(HELPER_PATCH)

endif

demo:
	@demo/demo

check:
	@selftests/check

check-debug:
	@selftests/check --kernel debug

check-debug-long:
	@selftests/check --kernel debug --long

check-matrix:
	@selftests/matrix

check-drm:
	@drm/check
	@drm/igt-suite

bench:
	@bench/bench

bench-full:
	@bench/bench --full

docs:
	@tools/docs

check-docs:
	@tools/check-docs

lint:
	@tools/lint

include packaging/install.mk

clean:
	rm -rf build
