/* Inside of the film: shared by film.c and film_cells.c only. */
#ifndef TG_STUDIO_FILM_PARTS_H
#define TG_STUDIO_FILM_PARTS_H

#include "studio/film.h"
#include "studio/raster.h"
#include "studio/shade.h"
#include "studio/sss.h"

/* What the cells of one layer hold. Planes have cells_w * cells_h entries. */
typedef struct {
    tg_sss skin;
    float *albedo, *highlight; /* [3,cells] of the skin in a cell */
    uint8_t *skin_samples;     /* [cells] 0..4 samples of the cell that are this skin */
    float *sum;                /* [pixels,3] encoded colour of all other samples */
    float *covered;            /* [pixels] samples that see anything */
} tg_film_layer;

struct tg_film {
    tg_film_options options;
    tg_look look;
    int cells_w, cells_h;
    tg_film_camera camera;
    tg_noise noise;
    tg_studio_set set;
    tg_raster raster;
    float *iris;
    tg_triangles fine[TG_RASTER_MAX_SETS], coarse[TG_RASTER_MAX_SETS]; /* of the meshes */
    tg_depth_scratch *scratch;                                         /* [workers] */
    int workers;
    float *ambient;                    /* [vertices,4] */
    float *strand_color;               /* [strand points,3] */
    uint8_t *vertex_seen, *point_seen; /* 1 where a sample needs them */
    tg_film_layer layer[2];
    uint8_t *same; /* [cells] the torso layer's cell equals the main one */
    float *parts;  /* [pixels,3] samples of torso, neck, head */
    uint8_t *head; /* [pixels] 1: no background shows; what the torso layer lacks
                      is behind the head */
    uint8_t *neck; /* [pixels] the torso layer shows skin */
    uint8_t *rgb, *parsing, *torso, *background;
};

/* Light at all vertices that can be seen, and at the strands that are. */
void tg_film_light(tg_film *film, const tg_scene *scene, tg_pool *pool);
/* Shades the cells of all rows into the layers. */
void tg_film_shade(tg_film *film, const tg_scene *scene, tg_pool *pool);

#endif
