// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an errno means, by the call that had it, and what to do next. uapi/linux/p2pbuf.h
 * documents them all; here are those that a command can bring about.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dmabuf.h"

struct reason {
	enum call call;
	int error;
	const char *text;
	const char *hint;
};

#define NO_ROUTE	"there is no route between the two functions"
#define SILENT		"something between the two functions, or one of them, does not answer"
#define TOPO		\
	"p2pbuf topo says which port or bridge is in the way, and what would change it"
#define REVOKED		"the exporter has taken access away"
#define WAIT		\
	"grep lost-by /proc/self/fdinfo/3 3< /dev/p2pbuf/exporter/BDF: why; after p2pbuf revoke " \
	"or an unbind it does not come back: export anew"
#define FAILED		"the exporter's function did not come back from an event"
#define RESET		"reset it: echo 1 > /sys/bus/pci/devices/FUNCTION/reset"
#define ROOT		"it takes CAP_SYS_ADMIN, as the addresses can be physical ones: run it as root"

static const struct reason reasons[] = {
	{ CALL_REGION_INFO, ENXIO, "a function has BARs 0 to 5", NULL },
	{ CALL_EXPORT, ENXIO, "the function has no such BAR, or it is the upper half of one",
	  "p2pbuf regions lists them" },
	{ CALL_EXPORT, EOPNOTSUPP, "this BAR cannot be exported", "p2pbuf regions says why" },
	{ CALL_EXPORT, EDOM, "an offset or a length is not a multiple of the page size",
	  "write offsets and lengths in whole pages of 4K" },
	{ CALL_EXPORT, ERANGE, "a range passes the end of the BAR",
	  "p2pbuf regions shows the sizes" },
	{ CALL_EXPORT, ENODATA, "a range is empty", NULL },
	{ CALL_EXPORT, EOVERFLOW, "a range is larger than can be",
	  "p2pbuf regions shows the sizes" },
	{ CALL_EXPORT, EFBIG, "together the ranges are longer than the BAR",
	  "p2pbuf regions shows the sizes; a second DMABUF takes the rest" },
	{ CALL_EXPORT, EPERM, "a range touches the MSI-X table: who writes it chooses interrupts",
	  "leave it out, or load p2pbuf_exporter with allow_msix=1" },
	{ CALL_EXPORT, EMSGSIZE, "these are more ranges than the exporter takes",
	  "load p2pbuf_exporter with a larger max_ranges" },
	{ CALL_REVOKE, EXDEV, "this DMABUF is not of that function's exporter",
	  "grep ino= /proc/self/fdinfo/3 3< /dev/p2pbuf/exporter/BDF: the inode of each that is" },
	{ CALL_REVOKE, EINTR,
	  "a signal ended the wait: access is lost all the same, and may not be gone yet",
	  "the same command waits again; the kernel log names who is late: dmesg" },
	{ CALL_IMPORT, EREMOTEIO, NO_ROUTE, TOPO },
	{ CALL_IMPORT, ENOLINK, SILENT, TOPO },
	{ CALL_IMPORT, EINVAL, "this descriptor is not a DMABUF",
	  "ls -l /proc/PID/fd shows those that are: /dmabuf:" },
	{ CALL_IMPORT, EOPNOTSUPP, "the exporter cannot be imported in this way",
	  "try --interconnect auto, and --flow revocable" },
	{ CALL_IMPORT, ENODEV, REVOKED, WAIT },
	{ CALL_IMPORT, EIO, FAILED, RESET },
	{ CALL_MAP, EREMOTEIO, NO_ROUTE, TOPO },
	{ CALL_MAP, ENOLINK, SILENT, TOPO },
	{ CALL_MAP, ENODEV, REVOKED, WAIT },
	{ CALL_MAP, EACCES, "the DMABUF is read-only, for devices, too", "use --access read" },
	{ CALL_MAP, ERANGE, "the importer's DMA mask does not reach the memory",
	  "an IOMMU, or an importer with more address bits (p2pbuf_importer: dma_bits)" },
	{ CALL_MAP, EADDRNOTAVAIL, "the importer's bus does not reach the memory", NULL },
	{ CALL_MAP, EPERM, "the importer's DMA must be bounced, and memory of a peer cannot be",
	  "boot without swiotlb=force" },
	{ CALL_MAP, EIO, FAILED ", or the DMA API refused a range",
	  "the kernel log says which: dmesg; for the first: " RESET },
	{ CALL_MAP, ENOMEM, "no memory, or no IOVA space left for the buffer",
	  "export less of it, or release other mappings of the importer" },
	{ CALL_COPY, EIO, "the data did not arrive",
	  "p2pbuf audit says where the addresses lead; registers do not keep what is written; "
	  "QEMU's switches carry no data below an IOMMU that translates" },
	{ CALL_COPY, ESTALE, REVOKED, WAIT },
	{ CALL_COPY, EAGAIN, "the importer's function is being reset, recovered or suspended",
	  "try again" },
	{ CALL_COPY, ETIMEDOUT, "the importer's DMA engine did not complete and was stopped",
	  NULL },
	{ CALL_COPY, EACCES, "the mapping does not allow this direction", "see --access" },
	{ CALL_AUDIT, EPERM, "physical addresses are not for everyone", ROOT },
	{ CALL_AUDIT, ESTALE, REVOKED, WAIT },
	{ CALL_QUERY, EPERM, "addresses of segments are not for everyone", ROOT },
};

static const char * const names[] = {
	[CALL_REGION_INFO] = "region-info",
	[CALL_EXPORT] = "export",
	[CALL_REVOKE] = "revoke",
	[CALL_IMPORT] = "import",
	[CALL_MAP] = "map",
	[CALL_UNMAP] = "unmap",
	[CALL_QUERY] = "query",
	[CALL_COPY] = "copy",
	[CALL_AUDIT] = "audit",
};

/* Where no call has an answer of its own. */
static const struct reason common[] = {
	{ .error = ENODEV, .text = "the function was removed, or its driver unbound",
	  .hint = "p2pbuf topo shows which driver has it" },
	{ .error = EINVAL, .text = "the driver does not take this argument",
	  .hint = "p2pbuf --version shows whether command and modules fit" },
};

static const struct reason *find(enum call call, int error)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].call == call && reasons[i].error == error)
			return &reasons[i];
	for (i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (common[i].error == error)
			return &common[i];
	return NULL;
}

/* Say so; with --json, in a document whose member "error" has it. EXIT_REFUSED. */
int refused(enum call call, int error)
{
	const struct reason *reason = find(call, error);
	const char *text = reason ? reason->text : strerror(error);
	struct json_object *document, *what;

	say_error(reason ? reason->hint : NULL, "%s failed: %s (%s)", names[call], text,
		  strerrorname_np(error));
	if (output_json) {
		document = must_have(json_object_new_object());
		what = must_have(json_object_new_object());
		json_add_string(what, "call", names[call]);
		json_add_string(what, "errno", strerrorname_np(error));
		json_add_string(what, "text", text);
		json_add_string(what, "hint", reason ? reason->hint : NULL);
		json_object_object_add(document, "error", what);
		document_print(output_command, document, NULL);
	}
	return EXIT_REFUSED;
}
