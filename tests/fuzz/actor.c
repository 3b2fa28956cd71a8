/* Files of the actor: the same bytes as a mesh, as a target and as a proxy of it. */
#include "fuzz.h"

#include "studio/mesh.h"
#include "studio/proxy.h"
#include "studio/target.h"

enum { VERTICES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_context *ctx = fuzz_context();
    fuzz_own_memory = true;
    const char *path = fuzz_disk_file(data, bytes);
    FILE *beside = fopen("fuzz-beside.obj", "w"); /* what the seeds' proxies name */
    if (!beside || fputs("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", beside) < 0 ||
        fclose(beside) != 0) {
        abort();
    }
    fuzz_own_memory = false;
    tg_obj obj;
    tg_status status = tg_obj_load(ctx, path, &obj);
    fuzz_check(status);
    if (status == TG_OK) {
        for (int f = 0; f < obj.faces; f++) {
            for (int c = 0; c < 4; c++) {
                if (obj.face[f][c] < 0 || obj.face[f][c] >= obj.vertices || obj.face_uv[f][c] < 0 ||
                    (obj.uvs > 0 && obj.face_uv[f][c] >= obj.uvs)) {
                    abort();
                }
            }
            if (obj.face_group[f] >= obj.groups) {
                abort();
            }
        }
        tg_obj_free(&obj);
    }
    tg_target target;
    status = tg_target_load(ctx, path, VERTICES, &target);
    fuzz_check(status);
    if (status == TG_OK) {
        float x[VERTICES][3] = {{0}};
        tg_target_apply(&target, 1, x);
        tg_target_free(&target);
    }
    tg_proxy proxy;
    status = tg_proxy_load(ctx, path, VERTICES, &proxy);
    fuzz_check(status);
    if (status == TG_OK) {
        float x[VERTICES][3] = {{0}}, scale[3], point[3];
        tg_proxy_scale(&proxy, (const float(*)[3])x, scale);
        for (int v = 0; v < proxy.mesh.vertices; v++) {
            tg_proxy_point(&proxy, v, (const float(*)[3])x, scale, point);
        }
        tg_proxy_free(&proxy);
    }
    fuzz_disk_done(path);
    fuzz_disk_done("fuzz-beside.obj");
    return 0;
}
