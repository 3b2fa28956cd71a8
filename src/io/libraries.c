/* Which versions of other people's code are in use, asked at run time where they can be asked. */
#include "talkgen/io.h"

#include <cJSON.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <sndfile.h>
#include <stdio.h>
#include <yaml.h>
#include <zip.h>

const char *tg_io_library(int i, char version[64]) {
    static const struct {
        const char *name;
        unsigned (*number)(void);
        const char *(*text)(void);
    } libraries[] = {
        {"FFmpeg", NULL, av_version_info},          {"libavcodec", avcodec_version, NULL},
        {"libavformat", avformat_version, NULL},    {"libavutil", avutil_version, NULL},
        {"libswscale", swscale_version, NULL},      {"libswresample", swresample_version, NULL},
        {"libsndfile", NULL, sf_version_string},    {"cJSON", NULL, cJSON_Version},
        {"libyaml", NULL, yaml_get_version_string}, {"libzip", NULL, zip_libzip_version}};
    if (i < 0 || (size_t)i >= sizeof libraries / sizeof libraries[0]) {
        return NULL;
    }
    if (libraries[i].text) {
        snprintf(version, 64, "%s", libraries[i].text());
    } else {
        const unsigned n = libraries[i].number();
        snprintf(version, 64, "%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
    }
    return libraries[i].name;
}
