// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what audit.c tells: no domain of the rig is as large as those that VMD makes.
 */
#include <linux/pci.h>

#include "core_kunit.h"

struct number_case {
	const char *name;
	int domain;
	u8 bus;
	u8 devfn;
	u64 number;
};

static const struct number_case numbers[] = {
	{ "the first", 0, 0, 0, 0 },
	{ "the last without VMD", 0xffff, 0xff, 0xff, 0xffffffff },
	{ "the first of VMD", 0x10000, 0xe1, PCI_DEVFN(1, 0), 0x10000e108 },
	{ "the last", S32_MAX, 0xff, 0xff, 0x7fffffffffff },
};

KUNIT_ARRAY_PARAM_DESC(number, numbers, name);

static void set_domain(struct kunit *test, struct pci_bus *bus, int domain)
{
#ifdef CONFIG_PCI_DOMAINS_GENERIC
	bus->domain_nr = domain;
#else
	struct pci_sysdata *sysdata = kunit_kzalloc(test, sizeof(*sysdata), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sysdata);
	sysdata->domain = domain;
	bus->sysdata = sysdata;
#endif
}

static void check_number(struct kunit *test)
{
	const struct number_case *param = test->param_value;
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	struct pci_bus *bus = kunit_kzalloc(test, sizeof(*bus), GFP_KERNEL);
	struct p2pbuf_place place;

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	KUNIT_ASSERT_NOT_NULL(test, bus);
	set_domain(test, bus, param->domain);
	bus->number = param->bus;
	pdev->bus = bus;
	pdev->devfn = param->devfn;

	place.bdf = p2pbuf_function_number(pdev);
	KUNIT_EXPECT_EQ(test, place.bdf, param->number);
}

static struct kunit_case audit_cases[] = {
	KUNIT_CASE_PARAM(check_number, number_gen_params),
	{}
};

static struct kunit_suite audit_suite = {
	.name = "p2pbuf_audit",
	.test_cases = audit_cases,
};

kunit_test_suite(audit_suite);
