"""Pictures in and out: checked decoding, encoding, letterboxing, and the way between pixels and tensors.

Stored pixels are uint8 `[C, H, W]`; what networks see is float in [-1, 1]. Sizes are (height, width).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

FORMATS = ("JPEG", "PNG", "WEBP")
WHITE = (255, 255, 255)

_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise on broken data, besides their own UnidentifiedImageError (an OSError).
_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AttributeError,
    struct.error,
    zlib.error,
)


class PictureError(ValueError):
    """These bytes are not a picture that is taken; the message says why."""


class PictureTooLarge(PictureError):
    """More bytes or more pixels than allowed."""


def decode(data: bytes, *, max_bytes: int = 10 * 2**20, max_pixels: int = 25_000_000) -> Image.Image:
    """The upright RGB picture in `data`: one still JPEG, PNG or WebP.

    Sizes are checked before a pixel is decoded. The EXIF orientation is applied and all metadata dropped;
    transparent parts are laid over white; colours are taken as sRGB.
    Raises PictureTooLarge, or PictureError for anything else that is not such a picture.
    """
    if len(data) > max_bytes:
        raise PictureTooLarge(f"{len(data):,} bytes; at most {max_bytes:,} are taken")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"too many pixels; at most {max_pixels:,} are taken") from error
    except Image.UnidentifiedImageError as error:
        raise PictureError("not a JPEG, PNG or WebP picture") from error
    except _DECODER_FAULTS as error:
        raise PictureError(f"broken picture: {error}") from error
    _check_shape(image, max_pixels)
    try:
        image.load()
        return _without_metadata(_upright(_over_white(image), _orientation(image)))
    except _DECODER_FAULTS as error:
        raise PictureError(f"broken {image.format} picture: {error}") from error


def encode(image: Image.Image, *, format: str = "JPEG", quality: int = 92) -> bytes:
    """The picture as a file of `format` (JPEG, PNG or WEBP), without metadata; `quality` is 1 to 100."""
    if format not in FORMATS:
        raise ValueError(f"format {format!r} is not one of {', '.join(FORMATS)}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality {quality} is not between 1 and 100")
    plain = _without_metadata(image.convert(image.mode if image.mode in ("RGB", "L") else "RGB"))
    buffer = io.BytesIO()
    plain.save(buffer, format=format, quality=quality)
    return buffer.getvalue()


def letterbox(
    image: Image.Image, *, height: int, width: int, background: int | tuple[int, ...] | None = None
) -> Image.Image:
    """The whole picture, scaled to fit `height` x `width` and centred on `background` (white unless told)."""
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=2.0) if inner != image.size else image
    if inner == (width, height):
        return scaled
    white = 255 if image.mode == "L" else WHITE
    canvas = Image.new(image.mode, (width, height), white if background is None else background)
    canvas.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def to_pixels(image: Image.Image) -> np.ndarray:
    """RGB or greyscale picture -> uint8 [3, H, W] or [1, H, W]."""
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return pixels[None].copy()
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def to_image(picture: torch.Tensor | np.ndarray) -> Image.Image:
    """Picture [3, H, W] (or [1, H, W]) in [-1, 1], values beyond clipped -> RGB (or greyscale) picture."""
    values = torch.as_tensor(picture).detach().float().cpu()
    pixels = (values + 1).mul_(127.5).clamp_(0, 255).round_().to(torch.uint8)
    return Image.fromarray((pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous()).numpy())


def mask_to_image(mask: torch.Tensor | np.ndarray) -> Image.Image:
    """Mask [1, H, W] in [0, 1] -> greyscale picture, white where the mask is 1."""
    return to_image(torch.as_tensor(mask).detach() * 2 - 1)


def normalise(pixels: torch.Tensor | np.ndarray) -> torch.Tensor:
    """Pixels uint8 [..., H, W] -> float32 in [-1, 1], same shape and device."""
    return torch.as_tensor(pixels).to(torch.float32).div_(127.5).sub_(1.0)


def sheet(
    rows: Sequence[Sequence[Image.Image | None]],
    *,
    labels: Sequence[Sequence[str]] | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    scale: int = 1,
    gap: int = 4,
    text_size: int = 12,
) -> Image.Image:
    """Pictures in a grid on white, each `scale` times its size; None leaves a cell empty.

    `labels[r][c]` stands under its picture, `row_labels` on the left, `column_labels` on top. Cells are as
    large as the largest picture.
    """
    pictures = [picture for row in rows for picture in row if picture is not None]
    if not pictures:
        raise ValueError("a sheet needs at least one picture")
    font = ImageFont.load_default(text_size)
    line = text_size + 4
    cell_width = max(picture.width for picture in pictures) * scale
    cell_height = max(picture.height for picture in pictures) * scale
    left = max((int(font.getlength(text)) for text in row_labels), default=0) + 2 * gap if row_labels else gap
    top = line + gap if column_labels else gap
    step_x, step_y = cell_width + gap, cell_height + gap + (line if labels else 0)
    canvas = Image.new("RGB", (left + max(map(len, rows)) * step_x, top + len(rows) * step_y), WHITE)
    draw = ImageDraw.Draw(canvas)

    def write(x: int, y: int, text: str, room: int) -> None:
        draw.text((x, y), _shortened(text, font, room), fill=(40, 40, 40), font=font)

    for column, text in enumerate(column_labels or ()):
        write(left + column * step_x, gap // 2, text, cell_width)
    for r, row in enumerate(rows):
        y = top + r * step_y
        if row_labels:
            write(gap, y + (cell_height - line) // 2, row_labels[r], left)
        for c, picture in enumerate(row):
            x = left + c * step_x
            if picture is not None:
                canvas.paste(_enlarged(picture, scale), (x, y))
            if labels:
                write(x, y + cell_height + 1, labels[r][c], cell_width)
    return canvas


def _check_shape(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise PictureTooLarge(f"{image.width} x {image.height} pixels; at most {max_pixels:,} are taken")
    # A phone's JPEG may carry a second picture ("MPO"): its first one is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise PictureError("animated pictures are not taken")


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 (upright) where the EXIF block is absent or unreadable, as browsers do."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _DECODER_FAULTS:
        return 1


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a grey value
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, WHITE)
    canvas.paste(layered, mask=layered.getchannel("A"))
    return canvas


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _without_metadata(image: Image.Image) -> Image.Image:
    plain = image.copy()
    plain.info = {}
    return plain


def _enlarged(picture: Image.Image, scale: int) -> Image.Image:
    size = (picture.width * scale, picture.height * scale)
    return picture.convert("RGB").resize(size, Image.Resampling.NEAREST)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    """`text`, cut with an ellipsis where it is wider than `room` pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"
