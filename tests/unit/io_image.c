/* Pictures: PNG loses nothing, JPEG little, damaged files are refused. */
#include "io_test.h"

#include <math.h>

static void gradient(uint8_t *pixels, int width, int height, int channels) {
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < channels; c++) {
                pixels[(y * width + x) * channels + c] =
                    (uint8_t)(128 + 100 * sin(x * 0.05 * (c + 1)) * cos(y * 0.07));
            }
        }
    }
}

static void png_is_exact(void **state) {
    (void)state;
    uint8_t pixels[37 * 23 * 4];
    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        gradient(pixels, 37, 23, channels);
        assert_ok(tg_image_write(ctx, in_folder("a.PNG"), 37, 23, channels, pixels));
        tg_image image;
        assert_ok(tg_image_read(ctx, in_folder("a.PNG"), 0, &image));
        assert_int_equal(image.width, 37);
        assert_int_equal(image.height, 23);
        assert_int_equal(image.channels, channels);
        assert_memory_equal(image.data, pixels, (size_t)(37 * 23 * channels));
        tg_image_free(&image);
        assert_null(image.data);
        assert_ok(tg_image_read(ctx, in_folder("a.PNG"), 3, &image));
        assert_int_equal(image.channels, 3);
        assert_int_equal(image.data[0], pixels[0]);
        tg_image_free(&image);
        uint8_t *memory;
        size_t bytes;
        assert_ok(tg_image_encode_png(ctx, 37, 23, channels, pixels, &memory, &bytes));
        assert_ok(tg_image_decode(ctx, memory, bytes, "memory", 4, &image));
        assert_int_equal(image.channels, 4);
        if (channels == 4) {
            assert_memory_equal(image.data, pixels, 37 * 23 * 4);
        } else {
            assert_int_equal(image.data[3], 255);
        }
        tg_image_free(&image);
        tg_free(memory);
    }
    empty_folder();
}

static void jpeg_is_close(void **state) {
    (void)state;
    uint8_t *pixels = malloc(96 * 64 * 3);
    gradient(pixels, 96, 64, 3);
    assert_ok(tg_image_write(ctx, in_folder("a.jpg"), 96, 64, 3, pixels));
    tg_image image;
    assert_ok(tg_image_read(ctx, in_folder("a.jpg"), 3, &image));
    double sum = 0;
    for (int i = 0; i < 96 * 64 * 3; i++) {
        sum += (double)(image.data[i] - pixels[i]) * (image.data[i] - pixels[i]);
    }
    double psnr = 10 * log10(255.0 * 255.0 / (sum / (96 * 64 * 3)));
    assert_true(psnr > 45); /* subsampled chroma would stay below 40 with these colours */
    tg_image_free(&image);
    free(pixels);
    assert_int_equal(tg_image_write(ctx, in_folder("a.bmp"), 1, 1, 3, (uint8_t[]){1, 2, 3}),
                     TG_EUSAGE);
    assert_int_equal(files_in_folder(), 1);
    empty_folder();
}

static void refuses_bad_files(void **state) {
    (void)state;
    uint8_t pixels[32 * 32 * 3], *png;
    size_t bytes;
    tg_image image;
    gradient(pixels, 32, 32, 3);
    assert_ok(tg_image_encode_png(ctx, 32, 32, 3, pixels, &png, &bytes));
    /* The last 16 bytes are a checksum and IEND, without which the picture is complete. */
    for (size_t n = 0; n + 20 < bytes; n++) {
        assert_int_equal(tg_image_decode(ctx, png, n, "cut.png", 3, &image), TG_EINPUT);
        assert_null(image.data);
        assert_message("cut.png");
    }
    /* 2^31-1 and 30000 pixels wide, 0 wide. */
    const uint8_t widths[3][4] = {{0x7f, 0xff, 0xff, 0xff}, {0, 0, 0x75, 0x30}, {0, 0, 0, 0}};
    for (int i = 0; i < 3; i++) {
        memcpy(png + 16, widths[i], 4);
        assert_int_equal(tg_image_decode(ctx, png, bytes, "size.png", 3, &image), TG_EINPUT);
        assert_null(image.data);
    }
    tg_free(png);
    /* A few bytes whose pixels announce a gigabyte, which stb would ask for. */
    static const uint8_t chunk[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\4\0\0\0\3\10\0\0\0\0....\x50\0\0\x17IDAT....";
    assert_int_equal(tg_image_decode(ctx, chunk, sizeof chunk - 1, "chunk.png", 0, &image),
                     TG_EINPUT);
    assert_message("ends within a chunk");
    const char *others[] = {"", "GIF89a", "BM", "hello", "P6 1 1 255 abc", "\xff\xd8\xff"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put_file(in_folder("other.png"), others[i], strlen(others[i]));
        assert_int_equal(tg_image_read(ctx, in_folder("other.png"), 0, &image), TG_EINPUT);
        assert_message("PNG or JPEG");
    }
    assert_int_equal(tg_image_read(ctx, in_folder("absent.png"), 0, &image), TG_EINPUT);
    empty_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_is_exact),
        cmocka_unit_test(jpeg_is_close),
        cmocka_unit_test(refuses_bad_files),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
