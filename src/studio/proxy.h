/* MakeHuman proxies (.mhclo): eyes, teeth, hair, clothes that hang on vertices of the base mesh. */
#ifndef TG_STUDIO_PROXY_H
#define TG_STUDIO_PROXY_H

#include "studio/mesh.h"
#include "studio/sparse.h"

typedef struct {
    tg_obj mesh;
    int32_t (*ref)[3];     /* [mesh.vertices] base vertices */
    float (*weight)[3];    /* sums to 1; may be negative */
    float (*offset)[3];    /* in units of scale */
    int scale_ref[3][2];   /* two base vertices per axis */
    float scale_length[3]; /* 0 = axis has no scale */
    uint8_t *hides;        /* [base vertices] 1 = below this cloth */
} tg_proxy;

/* Reads `path` and the OBJ it names, beside it. Indices are checked against base_vertices. */
tg_status tg_proxy_load(tg_context *ctx, const char *path, int base_vertices, tg_proxy *out);
void tg_proxy_free(tg_proxy *proxy);
/* Factors on the offsets for base positions x. */
void tg_proxy_scale(const tg_proxy *proxy, const float (*x)[3], float scale[3]);
/* One vertex of the proxy on base positions x. */
void tg_proxy_point(const tg_proxy *proxy, int vertex, const float (*x)[3], const float scale[3],
                    float out[3]);
/* All vertices: out[mesh.vertices][3]. */
void tg_proxy_fit(const tg_proxy *proxy, const float (*x)[3], float (*out)[3]);
/* Skin weights of all vertices from those of the base mesh. */
tg_status tg_proxy_skin(tg_context *ctx, const tg_proxy *proxy, const tg_sparse *base,
                        tg_sparse *out);

#endif
