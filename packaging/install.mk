# SPDX-License-Identifier: GPL-2.0-only
#
# "make install" and "make modules_install" only copy what was built before, so that
# root, who calls them, leaves nothing of his own in a user's tree.

prefix ?= /usr/local
bindir ?= $(prefix)/bin
includedir ?= $(prefix)/include
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
INSTALL ?= install
VERSION := $(shell cat VERSION)

.PHONY: install install-dkms modules_install man deb check-packages

# $(call built,FILE,HOW): FILE, or an error that says how to make it
built = $(or $(wildcard $1),$(error no $1: $2 makes it))
data = $(INSTALL) -D -m 644

install:
	$(INSTALL) -D $(call built,$(COMMAND),make) $(DESTDIR)$(bindir)/p2pbuf
	$(if $(wildcard build/cli/p2pdma-allowlist),\
		$(data) -t $(DESTDIR)$(datadir)/p2pbuf build/cli/p2pdma-allowlist)
	$(data) cli/completion.bash \
		$(DESTDIR)$(datadir)/bash-completion/completions/p2pbuf
	$(data) -t $(DESTDIR)$(mandir)/man8 $(call built,build/docs/man/*.8,make docs)
	$(data) -t $(DESTDIR)$(includedir)/p2pbuf/linux uapi/linux/p2pbuf.h
	@mkdir -p $(DESTDIR)$(datadir)/pkgconfig
	sed 's|@prefix@|$(prefix)|; s|@includedir@|$(includedir)|; s|@version@|$(VERSION)|' \
		packaging/p2pbuf.pc.in >$(DESTDIR)$(datadir)/pkgconfig/p2pbuf.pc

# Manual pages alone, by this machine's Sphinx: they need nothing of the kernel's. Warnings are
# for "make docs" to tell.
man:
	sphinx-build -Q -b man -d build/docs/man-doctrees -D root_doc=cli/p2pbuf \
		-D exclude_patterns='*.rst,ABI' Documentation build/docs/man

$(COMMAND): CFLAGS += $(EXTRA_CFLAGS)

# What DKMS builds the modules from, where it looks for it.
DKMS_TREE = $(DESTDIR)/usr/src/p2pbuf-$(VERSION)
DKMS_FILES := VERSION Kbuild $(wildcard $(foreach dir,core edu exporter importer include \
	uapi/linux,$(addprefix $(dir)/,*.c *.h Kbuild)))

install-dkms:
	for file in $(DKMS_FILES); do $(data) $$file $(DKMS_TREE)/$$file || exit; done
	sed 's|#MODULE_VERSION#|$(VERSION)|' packaging/dkms.conf >$(DKMS_TREE)/dkms.conf

# kbuild installs what modules.order lists; here that is without the tests' modules.
INSTALL_MODULES := core/p2pbuf edu/p2pbuf_edu exporter/p2pbuf_exporter \
	importer/p2pbuf_importer

# A kernel of one's own has the key of its modules beside it.  A distribution's has not,
# and kbuild would complain for each module.
UNSIGNED = $(if $(wildcard $(KDIR)/certs/signing_key.x509),,CONFIG_MODULE_SIG_ALL=)

modules_install:
	$(if $(RELEASE),,$(error which kernel's? Say KDIR=/lib/modules/RELEASE/build))
	$(if $(call built,$(OUT)/core/p2pbuf.ko,make modules),)
	@tmp=$$(mktemp -d) && trap 'rm -r "$$tmp"' EXIT && \
	for module in $(INSTALL_MODULES); do \
		$(data) {$(OUT),$$tmp}/$$module.ko && \
		echo $$module.o >>$$tmp/modules.order || exit; \
	done && \
	$(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) MO=$$tmp \
		INSTALL_MOD_PATH=$(abspath $(DESTDIR)) INSTALL_MOD_DIR=updates/p2pbuf \
		$(UNSIGNED) modules_install

deb:
	@packaging/deb

check-packages:
	@packaging/test
