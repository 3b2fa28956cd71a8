/* talkgen studio: the camera that films a tg_scene. A visibility buffer with 2 x 2 samples per
 * shading cell, depth maps for shadows and ambient occlusion, materials, subsurface blur, tone
 * curve; and beside the picture what a talking-head data set wants of it: the parsing mask and the
 * neck and torso without the head in front.
 *
 * Nothing is drawn at random: the same scene gives the same bytes at any number of threads.
 */
#ifndef TG_STUDIO_FILM_H
#define TG_STUDIO_FILM_H

#include "studio/actor.h"
#include "studio/vec3.h"

/* A pinhole camera. World units are dm; x right, y up, z forward (the direction of view). */
typedef struct {
    tg_vec3 eye, x, y, z;
    float focal, cx, cy; /* pixels; pixel (i,j) covers [i,i+1) x [j,j+1), rows top-down */
} tg_film_camera;

/* Portrait camera of README's recipe: long lens, before `anchor` (tg_person_anchor). */
tg_film_camera tg_film_portrait(const float anchor[3], int width, int height);
/* World point -> pixel x, y and depth along the view (dm). */
tg_vec3 tg_film_project(const tg_film_camera *camera, tg_vec3 p);
/* Camera-to-world matrix of the camera seen from the head: `head` maps head coordinates to world
 * (tg_scene.head), the translation comes out in metres (dm/10), axes are OpenGL's (x right, y up,
 * looking down -z). Row major 4 x 4. */
void tg_film_head_camera(const tg_film_camera *camera, const float head[12], float c2w[16]);

typedef struct {
    int width, height; /* 64..2048 */
    int cells;         /* shading cells per pixel side, 1 or 2; visibility has twice as many */
    bool layers;       /* also make the parsing mask and the torso layer */
    tg_film_camera camera;
    float anchor[3];         /* tg_person_anchor: lights and shadows surround it */
    const tg_look *look;     /* borrowed */
    const char *eye_texture; /* picture of the iris, NULL = plain */
} tg_film_options;

/* Options for filming a person at a size: portrait camera, two cells, layers. */
tg_film_options tg_film_defaults(const tg_actor *actor, const tg_person *person, int width,
                                 int height);

/* What one exposure gives. Rows top-down, sRGB bytes, borrowed from the film until the next. */
typedef struct {
    const uint8_t *rgb;     /* [H,W,3] */
    const uint8_t *parsing; /* [H,W,3] head blue, neck green, torso red, background white */
    const uint8_t *torso; /* [H,W,4] neck and torso, grown upward below the head; straight alpha */
} tg_film_frame;

typedef struct tg_film tg_film;
/* `scene` gives the sizes; its constant arrays are borrowed (they are the person's, so every scene
 * of that person fits). TG_EUSAGE for sizes out of range, TG_EINPUT when the iris picture cannot be
 * read. */
tg_status tg_film_create(tg_context *ctx, const tg_scene *scene, const tg_film_options *options,
                         tg_film **out);
void tg_film_destroy(tg_film **film);
/* The background alone, [H,W,3]. */
const uint8_t *tg_film_background(const tg_film *film);
/* No allocation. pool must be the context's of tg_film_create, or NULL. */
void tg_film_expose(tg_film *film, const tg_scene *scene, tg_pool *pool, tg_film_frame *out);

#endif
