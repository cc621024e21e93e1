"""Pictures in and out: what is taken, what is refused, and that nothing is lost on the way."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion_nn.pictures import (
    PictureError,
    PictureTooLarge,
    decode,
    encode,
    letterbox,
    mask_to_image,
    normalise,
    sheet,
    to_image,
    to_pixels,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def file_of(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return chunks


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_is_encoded_decodes_to_the_same_size_in_rgb(format):
    image = decode(encode(noise(30, 20), format=format))
    assert (image.mode, image.size) == ("RGB", (20, 30))


def test_png_keeps_every_pixel():
    assert np.array_equal(np.asarray(decode(encode(noise(9, 7), format="PNG"))), np.asarray(noise(9, 7)))


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(format):
    with pytest.raises(PictureError, match="not a JPEG, PNG or WebP"):
        decode(file_of(noise(8, 8), format))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureError):
        decode(data)


def test_too_many_bytes_are_refused_by_their_number():
    with pytest.raises(PictureTooLarge, match="101 bytes; at most 100"):
        decode(b"x" * 101, max_bytes=100)


@pytest.mark.parametrize("side", [6_000, 60_000, 2**31 - 1])
def test_too_many_pixels_are_refused_by_the_header_alone(side):
    with pytest.raises(PictureTooLarge, match="25,000,000"):
        decode(png_header(side, side))


def test_the_limit_on_pixels_is_inclusive():
    data = encode(noise(10, 10))
    assert decode(data, max_pixels=100).size == (10, 10)
    with pytest.raises(PictureTooLarge, match="10 x 10"):
        decode(data, max_pixels=99)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_animations_are_refused(format):
    frames = file_of(noise(8, 8), format, save_all=True, append_images=[noise(8, 8, seed=1)])
    with pytest.raises(PictureError, match="animated"):
        decode(frames)


def test_a_phones_jpeg_with_a_second_picture_is_taken():
    data = file_of(Image.new("RGB", (8, 8), RED), "MPO", save_all=True, append_images=[noise(8, 8)])
    red, green, blue = decode(data).getpixel((4, 4))
    assert red > 250 and green < 5 and blue < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied(orientation):
    # The upright picture has one corner of each colour. It is stored turned, as a camera would.
    upright = Image.new("RGB", (2, 3), WHITE)
    upright.putpixel((0, 0), RED)
    upright.putpixel((1, 0), GREEN)
    upright.putpixel((0, 2), BLUE)
    turn_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if turn_back is None else upright.transpose(turn_back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(np.asarray(decode(file_of(stored, "PNG", exif=exif))), np.asarray(upright))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_gone(format):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = file_of(noise(8, 8), format, exif=exif, icc_profile=b"a profile")
    assert b"taken at home" in data
    image = decode(data)
    assert image.info == {} and not image.getexif()
    for again in ("JPEG", "PNG", "WEBP"):
        assert b"taken at home" not in encode(image, format=again)
        assert b"a profile" not in encode(image, format=again)


def test_encoding_drops_metadata_too():
    image = Image.open(io.BytesIO(file_of(noise(8, 8), "PNG", icc_profile=b"a profile")))
    assert "icc_profile" not in Image.open(io.BytesIO(encode(image, format="PNG"))).info


def test_transparency_is_laid_over_white():
    layered = Image.new("RGBA", (1, 3))
    layered.putpixel((0, 0), (255, 0, 0, 255))
    layered.putpixel((0, 1), (0, 0, 0, 0))
    layered.putpixel((0, 2), (0, 0, 0, 128))
    image = decode(file_of(layered, "PNG"))
    assert [image.getpixel((0, y)) for y in range(3)] == [RED, WHITE, (127, 127, 127)]


def test_a_transparent_palette_colour_turns_white():
    paletted = Image.new("P", (2, 1))
    paletted.putpalette([255, 0, 0, 0, 255, 0])
    paletted.putpixel((1, 0), 1)
    image = decode(file_of(paletted, "PNG", transparency=0))
    assert [image.getpixel((x, 0)) for x in range(2)] == [WHITE, GREEN]


def test_sixteen_bit_grey_keeps_its_brightness():
    grey = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16))
    image = decode(file_of(grey, "PNG"))
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_a_mask_of_one_bit_becomes_black_and_white():
    mask = Image.fromarray(np.array([[True, False]]))
    assert to_pixels(decode(file_of(mask, "PNG"))).tolist() == [[[255, 0]]] * 3


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_broken_pictures_raise_nothing_but_a_picture_error(data):
    seed = bytearray(encode(noise(16, 12), format=data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))))
    for _ in range(data.draw(st.integers(0, 8))):
        seed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(seed)))
    try:
        assert decode(bytes(seed[:cut])).mode == "RGB"
    except PictureError:
        pass


def test_letterbox_keeps_the_shape_and_pads_evenly():
    boxed = letterbox(Image.new("RGB", (100, 50), RED), height=40, width=40)
    assert boxed.size == (40, 40)
    pixels = np.asarray(boxed)
    assert (pixels[:10] == 255).all() and (pixels[30:] == 255).all()
    assert (pixels[10:30] == RED).all()


def test_letterbox_of_the_right_size_changes_nothing():
    assert np.array_equal(np.asarray(letterbox(noise(8, 6), height=8, width=6)), np.asarray(noise(8, 6)))


def test_letterbox_pads_masks_as_told_and_survives_the_thinnest_picture():
    boxed = np.asarray(letterbox(Image.new("L", (1000, 1), 255), height=8, width=8, background=0))
    assert boxed.sum() == 8 * 255


def test_pixels_to_floats_to_a_picture_and_back_loses_nothing():
    pixels = torch.from_numpy(to_pixels(noise(5, 4)))[None]
    floats = normalise(pixels)
    assert floats.dtype == torch.float32 and floats.shape == (1, 3, 5, 4)
    assert floats.min() >= -1 and floats.max() <= 1
    assert np.array_equal(to_pixels(to_image(floats[0])), pixels[0].numpy())


def test_values_beyond_the_range_are_clipped():
    assert to_pixels(to_image(torch.tensor([-3.0, 0.0, 3.0]).reshape(1, 1, 3))).tolist() == [[[0, 128, 255]]]


def test_a_mask_shows_white_where_it_is_one():
    assert to_pixels(mask_to_image(torch.tensor([[[0.0, 1.0]]]))).tolist() == [[[0, 255]]]


def test_wrong_options_name_the_limit():
    with pytest.raises(ValueError, match="JPEG, PNG, WEBP"):
        encode(noise(2, 2), format="GIF")
    with pytest.raises(ValueError, match="between 1 and 100"):
        encode(noise(2, 2), quality=101)


def test_a_sheet_places_every_picture_in_its_cell():
    tile = [[Image.new("RGB", (10, 20), RED), None], [Image.new("RGB", (10, 20), GREEN)]]
    picture = sheet(tile, scale=2, gap=4)
    assert picture.size == (4 + 2 * 24, 4 + 2 * 44)
    assert picture.getpixel((4, 4)) == RED and picture.getpixel((23, 43)) == RED
    assert picture.getpixel((30, 20)) == WHITE
    assert picture.getpixel((4, 48)) == GREEN


def test_a_sheet_with_words_is_larger_and_keeps_the_pictures():
    one = [[Image.new("RGB", (40, 40), BLUE)]]
    plain = sheet(one)
    wordy = sheet(one, labels=[["0.93, and more than fits"]], row_labels=["ann"], column_labels=["best"])
    assert wordy.width > plain.width and wordy.height > plain.height
    assert (np.asarray(wordy) == BLUE).all(axis=2).sum() == 1600


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="at least one picture"):
        sheet([[None]])
