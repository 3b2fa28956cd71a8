/* Parsing labels of the skin: head, neck, torso. */
#include "studio/body.h"

#include <string.h>

/* Border of head and neck in profile on the unmorphed base: (z, y) along the lower edge of the jaw
 * from the nape to the chin. What lies below it is neck. */
static const float jaw_z[] = {-1.00f, 0.15f, 0.32f, 0.45f, 0.60f,
                              0.80f,  1.00f, 1.25f, 1.42f, 1.70f};
static const float jaw_y[] = {6.95f, 6.95f, 6.90f, 6.72f, 6.58f, 6.43f, 6.32f, 6.22f, 6.17f, 6.17f};
static const float SOFT = 0.40f; /* dm over which the label runs from neck to head */

static float border_height(float z) {
    enum { POINTS = sizeof jaw_z / sizeof *jaw_z };
    int i = 0;
    while (i < POINTS - 2 && jaw_z[i + 1] < z) {
        i++;
    }
    float t = (z - jaw_z[i]) / (jaw_z[i + 1] - jaw_z[i]);
    t = t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
    return jaw_y[i] + t * (jaw_y[i + 1] - jaw_y[i]);
}

/* Bones from neck01 upwards carry head and neck, all others the torso. */
static void mark_neck_bones(const tg_rig *rig, bool above[TG_MAX_BONES]) {
    int first = tg_rig_find(rig, "neck01");
    for (int b = 0; b < rig->bones; b++) {
        above[b] = b == first || (rig->parent[b] >= 0 && above[rig->parent[b]]);
    }
}

void tg_label_regions(const tg_actor *actor, float *region) {
    bool above[TG_MAX_BONES] = {false};
    mark_neck_bones(&actor->rig, above);
    for (int v = 0; v < TG_BASE_VERTICES; v++) {
        const float *p = actor->base.position[v];
        float neck = 0.0f;
        for (int32_t j = actor->skin.start[v]; j < actor->skin.start[v + 1]; j++) {
            neck += above[actor->skin.column[j]] ? actor->skin.weight[j] : 0.0f;
        }
        float head = (p[1] - border_height(p[2])) / SOFT + 0.5f;
        head = head < 0.0f ? 0.0f : head > 1.0f ? 1.0f : head;
        head = actor->mask[v][TG_SKIN_INNER_MOUTH] > 0.0f ? 1.0f : head;
        region[v] = neck * (1.0f + head);
    }
}
