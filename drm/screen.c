// SPDX-License-Identifier: GPL-2.0-only
/* The least of KMS that shows a buffer: one connector, CRTC and plane, atomically. */
#include <errno.h>
#include <string.h>

#include <drm_fourcc.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "drm_test.h"

static int find_property(int card, uint32_t object, uint32_t type, const char *name,
			 uint32_t *id, uint64_t *value)
{
	drmModeObjectPropertiesPtr props;
	drmModePropertyPtr prop;
	int ret = -ENOENT;
	uint32_t i;

	props = drmModeObjectGetProperties(card, object, type);
	if (!props)
		return -errno;
	for (i = 0; i < props->count_props && ret; i++) {
		prop = drmModeGetProperty(card, props->props[i]);
		if (prop && !strcmp(prop->name, name)) {
			*id = prop->prop_id;
			*value = props->prop_values[i];
			ret = 0;
		}
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return ret;
}

static int crtc_of(int card, drmModeResPtr res, drmModeConnectorPtr connector)
{
	drmModeEncoderPtr encoder;
	int i, index = -1;

	for (i = 0; i < connector->count_encoders && index < 0; i++) {
		encoder = drmModeGetEncoder(card, connector->encoders[i]);
		if (encoder && encoder->possible_crtcs)
			index = __builtin_ctz(encoder->possible_crtcs);
		drmModeFreeEncoder(encoder);
	}
	return index >= 0 && index < res->count_crtcs ? index : -ENOENT;
}

/* The index of a CRTC that shows this connector's first mode, or -ENOENT. */
static int use_connector(struct screen *screen, drmModeResPtr res, uint32_t id)
{
	drmModeConnectorPtr connector = drmModeGetConnector(screen->card, id);
	int crtc = -ENOENT;

	if (connector && connector->connection == DRM_MODE_CONNECTED &&
	    connector->count_modes &&
	    !drmModeCreatePropertyBlob(screen->card, &connector->modes[0],
				       sizeof(connector->modes[0]), &screen->mode)) {
		screen->connector = id;
		screen->width = connector->modes[0].hdisplay;
		screen->height = connector->modes[0].vdisplay;
		crtc = crtc_of(screen->card, res, connector);
	}
	drmModeFreeConnector(connector);
	return crtc;
}

static int use_plane(struct screen *screen, int crtc)
{
	drmModePlaneResPtr planes = drmModeGetPlaneResources(screen->card);
	drmModePlanePtr plane;
	uint64_t type;
	uint32_t i, id;

	for (i = 0; planes && i < planes->count_planes && !screen->plane; i++) {
		plane = drmModeGetPlane(screen->card, planes->planes[i]);
		if (plane && plane->possible_crtcs & 1 << crtc &&
		    !find_property(screen->card, plane->plane_id, DRM_MODE_OBJECT_PLANE,
				   "type", &id, &type) && type == DRM_PLANE_TYPE_PRIMARY)
			screen->plane = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	return screen->plane ? 0 : -ENOENT;
}

static int use_resources(struct screen *screen, drmModeResPtr res)
{
	int i, crtc = -ENOENT;

	for (i = 0; i < res->count_connectors && crtc < 0; i++)
		crtc = use_connector(screen, res, res->connectors[i]);
	if (crtc < 0)
		return crtc;
	screen->crtc = res->crtcs[crtc];
	return use_plane(screen, crtc);
}

/* -EOPNOTSUPP: no atomic KMS; -EACCES: somebody else has the screen; -ENOENT: none. */
int screen_find(struct screen *screen, int card)
{
	drmModeResPtr res;
	int ret;

	*screen = (struct screen){ .card = card };
	if (drmSetClientCap(card, DRM_CLIENT_CAP_ATOMIC, 1))
		return -EOPNOTSUPP;
	if (!drmIsMaster(card))
		return -EACCES;
	res = drmModeGetResources(card);
	if (!res)
		return -errno;
	ret = use_resources(screen, res);
	drmModeFreeResources(res);
	return ret;
}

static int add(drmModeAtomicReqPtr req, int card, uint32_t object, uint32_t type,
	       const char *name, uint64_t value)
{
	uint64_t old;
	uint32_t id;
	int ret;

	ret = find_property(card, object, type, name, &id, &old);
	if (ret)
		return ret;
	ret = drmModeAtomicAddProperty(req, object, id, value);
	return ret < 0 ? ret : 0;
}

static int add_plane(drmModeAtomicReqPtr req, const struct screen *screen, uint32_t fb)
{
	const struct {
		const char *name;
		uint64_t value;
	} props[] = {
		{ "FB_ID", fb },
		{ "CRTC_ID", screen->crtc },
		{ "SRC_X", 0 },
		{ "SRC_Y", 0 },
		{ "SRC_W", (uint64_t)screen->width << 16 },
		{ "SRC_H", (uint64_t)screen->height << 16 },
		{ "CRTC_X", 0 },
		{ "CRTC_Y", 0 },
		{ "CRTC_W", screen->width },
		{ "CRTC_H", screen->height },
		{ }
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; props[i].name && !ret; i++)
		ret = add(req, screen->card, screen->plane, DRM_MODE_OBJECT_PLANE,
			  props[i].name, props[i].value);
	return ret;
}

static int add_crtc(drmModeAtomicReqPtr req, const struct screen *screen, int *out_fence)
{
	return add(req, screen->card, screen->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1) ?:
	       add(req, screen->card, screen->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID",
		   screen->mode) ?:
	       add(req, screen->card, screen->crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR",
		   (uintptr_t)out_fence);
}

/* Without waiting: @out_fence is a sync_file of the flip. */
int screen_flip(const struct screen *screen, uint32_t fb, int *out_fence)
{
	drmModeAtomicReqPtr req = drmModeAtomicAlloc();
	int ret;

	if (!req)
		return -ENOMEM;
	*out_fence = -1;
	ret = add(req, screen->card, screen->connector, DRM_MODE_OBJECT_CONNECTOR,
		  "CRTC_ID", screen->crtc) ?:
	      add_crtc(req, screen, out_fence) ?:
	      add_plane(req, screen, fb);
	if (!ret)
		ret = drmModeAtomicCommit(screen->card, req, DRM_MODE_ATOMIC_NONBLOCK |
					  DRM_MODE_ATOMIC_ALLOW_MODESET, NULL);
	drmModeAtomicFree(req);
	return ret;
}

int screen_add(const struct screen *screen, const struct dumb *dumb, uint32_t *fb)
{
	uint32_t handles[4] = { dumb->handle }, pitches[4] = { dumb->pitch };
	uint32_t offsets[4] = { };

	return drmModeAddFB2(screen->card, screen->width, screen->height,
			     DRM_FORMAT_XRGB8888, handles, pitches, offsets, fb, 0);
}

/* What shows it goes dark. */
void screen_drop(const struct screen *screen, uint32_t fb)
{
	drmModeRmFB(screen->card, fb);
	drmModeDestroyPropertyBlob(screen->card, screen->mode);
}
