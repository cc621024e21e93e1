"""The page stands alone: every picture and link it names is in its folder."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from demo.exhibits import Board, Exhibition, Figure, Fitted, Sheet, ShopperBoards, Shown, Strip
from demo.gallery import in_words, write_gallery
from demo.progress import Timed


class References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def picture(colour: str, size: tuple[int, int] = (16, 16)) -> Image.Image:
    return Image.new("RGB", size, colour)


def shown(score: float) -> Shown:
    return Shown(picture=picture("red"), label="item-7", score=score, liked_over=0.975)


@pytest.fixture
def exhibition() -> Exhibition:
    board = Board(category="women-tops", items=[shown(1), shown(0.5)], designs=[shown(2), shown(1)], seconds=0.5)
    fitted = Fitted(
        name="person-1",
        person=picture("tan", (12, 16)),
        worn=picture("blue", (12, 16)),
        wanted=picture("red", (12, 16)),
        mask=picture("white", (12, 16)),
        result=picture("pink", (12, 16)),
        truth=None,
        seconds=0.2,
        caption="<script>alert(1)</script>",
    )
    return Exhibition(
        release="r-1",
        figures=[Figure(value="0.91", meaning="AUC")],
        shoppers=[ShopperBoards(name="u/1", taste="likes light & plain", boards=[board])],
        strips=[
            Strip(
                shopper="u/1",
                category="women-tops",
                item=shown(0),
                stages=[shown(1), shown(2)],
                seconds=0.1,
            )
        ],
        fittings=[fitted],
        composed=[],
        sheets=[Sheet(network="cagan", picture=picture("grey"), caption="step 10")],
        steps=[Timed("Draw the world", 3.0, "720 items")],
        answers={"recommend u/1 women-tops": {"release": "r-1"}},
    )


def test_every_reference_is_relative_and_there(exhibition: Exhibition, tmp_path: Path) -> None:
    page = write_gallery(exhibition, tmp_path / "out")
    references = References()
    references.feed(page.read_text())
    assert len(references.found) == 4 + 3 + 5 + 1 + 1
    assert [name for name in references.found if not (page.parent / name).is_file()] == []
    assert len(set(references.found)) == len(references.found)


def test_composed_pictures_and_answers_lie_beside_the_page(exhibition: Exhibition, tmp_path: Path) -> None:
    folder = write_gallery(exhibition, tmp_path / "out").parent
    board = Image.open(folder / "boards" / "u-1-women-tops.png")
    assert board.width > 4 * 192 and board.height > 192
    assert (folder / "strips" / "u-1-women-tops.png").is_file()
    assert (folder / "fittings" / "person-1.png").is_file()
    answer = folder / "answers" / "recommend-u-1-women-tops.json"
    assert json.loads(answer.read_text()) == {"release": "r-1"}


def test_text_is_escaped(exhibition: Exhibition, tmp_path: Path) -> None:
    text = write_gallery(exhibition, tmp_path / "out").read_text()
    assert "<script>" not in text and "&lt;script&gt;" in text and "light &amp; plain" in text


def test_an_earlier_gallery_is_replaced_whole(exhibition: Exhibition, tmp_path: Path) -> None:
    folder = write_gallery(exhibition, tmp_path / "out").parent
    (folder / "boards" / "old.png").touch()
    write_gallery(exhibition, folder)
    assert not (folder / "boards" / "old.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_other_files_is_left_alone(exhibition: Exhibition, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds other files"):
        write_gallery(exhibition, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(("category", "words"), [("men-shoes", "men's shoes"), ("hats", "hats")])
def test_categories_in_words(category: str, words: str) -> None:
    assert in_words(category) == words
