/* The occupancy grid during training: which cells can hold anything at all (the visual hull of the
 * head masks), and what the network says about those.
 */
#ifndef TALKGEN_TRAIN_NERF_OCCUPANCY_H
#define TALKGEN_TRAIN_NERF_OCCUPANCY_H

#include "talkgen/dataset.h"
#include "train/nerf_step.h"

typedef struct nerf_occupancy nerf_occupancy;

/* Cells of the hull: those whose centre falls on or near the head in at least a small share of the
 * training frames (the jaw moves, so not in all). fresh: they start as occupied; all others are -1
 * for good, as cells that no camera sees. */
tg_status tg_nerf_occupancy_create(tg_context *ctx, tg_nerf *nerf, const tg_dataset *dataset,
                                   bool fresh, nerf_occupancy **out);
void tg_nerf_occupancy_destroy(nerf_occupancy **occupancy);
int64_t tg_nerf_occupancy_cells(const nerf_occupancy *occupancy); /* of the hull */

/* Density at a jittered point of every hull cell, each run of cells under one of the n given
 * conditions; grid = max(0.95 grid, largest of the cell and its neighbours), then new bits. round
 * counts the refreshes and drives the jitter. */
tg_status tg_nerf_occupancy_refresh(tg_context *ctx, nerf_occupancy *occupancy,
                                    nerf_stepper *stepper, const nerf_step_frame *frames, int n,
                                    const tg_rng *rng, int64_t round);
/* Share of all cells that are occupied now. */
double tg_nerf_occupancy_share(const tg_nerf *nerf);

#endif
