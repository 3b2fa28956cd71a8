/* Real spherical harmonics of degree 4 (16 values), in the order and with the signs of instant-ngp
 * and RAD-NeRF. Also compiled for GPUs, which say what kind of function it is. */
#ifndef TALKGEN_RENDER_SH_TERMS_H
#define TALKGEN_RENDER_SH_TERMS_H

#ifndef TG_DEVICE
#define TG_DEVICE static inline
#endif

TG_DEVICE void tg_sh_terms(const float d[3], float out[16]) {
    const float x = d[0], y = d[1], z = d[2];
    const float xx = x * x, yy = y * y, zz = z * z;
    out[0] = 0.28209479177387814f;
    out[1] = -0.48860251190291987f * y;
    out[2] = 0.48860251190291987f * z;
    out[3] = -0.48860251190291987f * x;
    out[4] = 1.0925484305920792f * x * y;
    out[5] = -1.0925484305920792f * y * z;
    out[6] = 0.94617469575756008f * zz - 0.31539156525252005f;
    out[7] = -1.0925484305920792f * x * z;
    out[8] = 0.54627421529603959f * (xx - yy);
    out[9] = 0.59004358992664352f * y * (yy - 3.0f * xx);
    out[10] = 2.8906114426405538f * x * y * z;
    out[11] = 0.45704579946446572f * y * (1.0f - 5.0f * zz);
    out[12] = 0.3731763325901154f * z * (5.0f * zz - 3.0f);
    out[13] = 0.45704579946446572f * x * (1.0f - 5.0f * zz);
    out[14] = 1.4453057213202769f * z * (xx - yy);
    out[15] = 0.59004358992664352f * x * (3.0f * yy - xx);
}

#endif
