/* Where the eyes of a person look; private to systems.
 *
 * A person whose recording said so (scene.gaze) is rendered with the gaze behind the landmarks of
 * each row. With recorded head poses it is the recorded one. With others the eyes do what they did
 * there: they turn against the head, and rest on points beside the camera for half a second to two.
 * Or a file says it.
 */
#ifndef TG_SYSTEMS_GAZE_SOURCE_H
#define TG_SYSTEMS_GAZE_SOURCE_H

#include "talkgen/systems.h"

typedef struct tg_gaze_source tg_gaze_source;
/* The poses are those that the head will have. *out NULL when the identity knows no gaze. */
tg_status tg_gaze_source_open(tg_context *ctx, const tg_identity *identity,
                              const tg_pose_options *pose, tg_gaze_source **out);
void tg_gaze_source_close(tg_gaze_source **source);
/* Of the next frame, to the subject's left and up, TG_GAZE_DEGREES = 1. */
tg_status tg_gaze_source_next(tg_context *ctx, tg_gaze_source *source, float out[TG_GAZE_DIM]);

#endif
