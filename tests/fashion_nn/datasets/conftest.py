"""A small catalogue, written to disk."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fashion_nn.pictures import encode


@pytest.fixture
def write_catalogue(tmp_path: Path) -> Callable[..., Path]:
    """write_catalogue(items.csv lines, interactions.csv lines or None, picture names) -> folder."""

    def write(
        items: list[str], interactions: list[str] | None = None, pictures: tuple[str, ...] = ("a", "b", "c")
    ) -> Path:
        (tmp_path / "images").mkdir()
        for name in pictures:
            (tmp_path / "images" / f"{name}.png").write_bytes(encode(Image.new("RGB", (4, 4)), format="PNG"))
        (tmp_path / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
        if interactions is not None:
            (tmp_path / "interactions.csv").write_text("\n".join(interactions) + "\n", encoding="utf-8")
        return tmp_path

    return write
