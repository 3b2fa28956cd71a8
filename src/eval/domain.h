/* How far made motion is from a person's own way to move: the domain that a postnet adapts to. */
#ifndef TALKGEN_EVAL_DOMAIN_H
#define TALKGEN_EVAL_DOMAIN_H

#include "talkgen/eval.h"

/* Landmarks [rows,68,3] in dm of two recordings of one person, which need not say the same. Points
 * 36-47 are left out: blinks cannot be heard. false = out of memory. */
bool tg_domain_distance(const float *made, int64_t made_rows, const float *truth,
                        int64_t truth_rows, tg_domain_figures *out);

#endif
