"""Painted text is the text, in colours that can be read."""

import re

import numpy as np
import pytest
from html_page import Page
from synthetic_result import SCRIPT, SEPARATED, paintings

from lens_probes.drawing.palette import contrast, ink, rgb
from lens_probes.drawing.scales import LEVELS, ColourScale, colours
from lens_probes.drawing.text_heatmap import best_scale
from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.errors import InputError
from lens_probes.report import TextHeatmap, heatmap_html, heatmap_text

SCALES = ("minmax", "symmetric", "robust")


def painted(source):
    """Token elements of each passage."""
    page = Page(source)
    passages = page.all("p", "tokens")
    return [[t for t in page.all("span", "token") if t.parent is p] for p in passages]


@pytest.mark.parametrize("scale", SCALES)
def test_joined_tokens_are_the_passage(scale):
    for passage, painting in zip(
        painted(heatmap_html(paintings(), scale)), paintings(), strict=True
    ):
        assert [token.text for token in passage] == list(painting.pieces)


def test_nothing_stands_between_tokens():
    page = Page(heatmap_html(paintings()))
    for passage, painting in zip(page.all("p", "tokens"), paintings(), strict=True):
        assert passage.text == "".join(painting.pieces)


def test_markup_in_a_text_is_text():
    evil = TokenActivations(
        "u<b>", (SCRIPT, "&lt;", "\"'"), (1.0, 2.0, 3.0), title=SCRIPT, target=0
    )
    source = heatmap_html((evil,))
    page = Page(source)
    assert not page.all("script")
    assert not page.all("b")
    assert page.all("p", "tokens")[0].text == SCRIPT + "&lt;\"'"


def test_carriage_return_survives_a_parser():
    source = heatmap_html((TokenActivations("u", ("a\r\n", "b"), (0.0, 1.0)),))
    assert 'a<span class="return">&#13;</span><span class="newline">\n</span>' in source


def test_newlines_are_marked_and_kept():
    (passage, _) = painted(heatmap_html(paintings()))
    page = Page(heatmap_html(paintings()))
    marks = page.all("span", "newline")
    assert [mark.text for mark in marks] == ["\n"] * 3
    style = page.all("style")[0].text
    assert re.search(r"\.newline::before \{ content: \"\\21B5\"", style)
    assert passage[3].text == "\n"


def test_empty_pieces_are_drawn_but_hold_no_text():
    (passage, _) = painted(heatmap_html(paintings()))
    empty = [token for token in passage if "empty" in token.classes]
    assert [token.text for token in empty] == [""]


def test_one_target_a_passage_at_its_place():
    for passage, painting in zip(painted(heatmap_html(paintings())), paintings(), strict=True):
        marked = [i for i, token in enumerate(passage) if "target" in token.classes]
        assert marked == [painting.target]
    (free,) = painted(heatmap_html((TokenActivations("u", ("a", "b"), (0.0, 1.0)),)))
    assert not any("target" in token.classes for token in free)


def test_values_are_in_titles_and_in_a_table():
    painting = TokenActivations("u", ("a", "b", "c"), (-1.234, 0.0, 123456.0), target=2)
    source = heatmap_html((painting,))
    ((a, b, c),) = painted(source)
    assert [t.attributes["title"] for t in (a, b, c)] == [
        "−1.23 (token 0)",
        "0 (token 1)",
        "1.23e+05 (token 2, read here)",
    ]
    page = Page(source)
    rows = [row.text for row in page.all("tr")]
    assert rows == ["positiontokenactivation", "0a−1.23", "1b0", "2 (read here)c1.23e+05"]
    assert not page.all("details")[0].attributes.get("hidden")


def test_legend_gives_unit_and_limits():
    painting = TokenActivations("L1.q.h0.3", ("a", "b"), (-1.5, 4.0))
    legend = Page(heatmap_html((painting,))).all("p", "legend")[0].text
    assert "L1.q.h0.3" in legend
    assert "−1.50" in legend
    assert "4.00" in legend
    assert "−4.00" in Page(heatmap_html((painting,), "symmetric")).all("p", "legend")[0].text


def test_paintings_of_one_unit_share_a_scale_and_other_units_have_their_own():
    three = (
        TokenActivations("u", ("a", "b"), (0.0, 1.0)),
        TokenActivations("v", ("a", "b"), (0.0, 100.0)),
        TokenActivations("u", ("a", "b"), (0.0, 2.0)),
    )
    source = heatmap_html(three)
    assert len(Page(source).all("p", "legend")) == 2
    levels = [[token.classes[1] for token in passage] for passage in painted(source)]
    assert levels == [["s0", "s10"], ["s0", "s20"], ["s0", "s20"]]


def test_minmax_spans_all_levels_and_keeps_order():
    values = np.linspace(-3, 5, 50)
    scale = ColourScale.of(values, "minmax")
    levels = [scale.level(v) for v in values]
    assert (levels[0], levels[-1]) == (0, LEVELS - 1)
    assert levels == sorted(levels)


def test_symmetric_has_zero_in_the_middle():
    scale = ColourScale.of((-1.0, 4.0), "symmetric")
    assert scale.level(0.0) == LEVELS // 2
    assert scale.level(4.0) == LEVELS - 1
    assert scale.level(-4.0) == 0


def test_robust_is_not_moved_by_one_outlier():
    values = [*np.linspace(0, 1, 99), 1e6]
    assert ColourScale.of(values, "robust").high < 2
    assert ColourScale.of(values, "minmax").high == 1e6
    assert ColourScale.of(values, "robust").level(1e6) == LEVELS - 1


def test_nan_and_equal_values_have_a_colour():
    scale = ColourScale.of((float("nan"), 2.0, 2.0), "minmax")
    assert scale.level(float("nan")) is None
    assert scale.level(2.0) == 0
    source = heatmap_html((TokenActivations("u", ("a", "b"), (float("nan"), 2.0)),))
    ((first, second),) = painted(source)
    assert "nan" in first.classes
    assert "s0" in second.classes
    assert heatmap_html((TokenActivations("u", (), ()),))


def test_unknown_scale_is_an_error_that_lists_them():
    with pytest.raises(InputError, match="minmax, symmetric, robust"):
        heatmap_html(paintings(), "log")


@pytest.mark.parametrize("scale", SCALES)
def test_every_level_can_be_read_in_both_modes(scale):
    style = Page(heatmap_html(paintings(), scale)).all("style")[0].text
    light, dark = style.split("@media (prefers-color-scheme:dark)")[-2:]
    rule = r"\.[sd](\d+) \{ background: (#\w{6}); color: (#\w{6}); \}"
    for part in (light, dark):
        rules = re.findall(rule, part)
        assert [int(level) for level, _, _ in rules] == list(range(LEVELS))
        for _, background, text in rules:
            assert contrast(rgb(background), rgb(text)) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("diverging", [True, False])
def test_levels_are_all_different(theme, diverging):
    assert len(set(colours(theme, diverging=diverging))) == LEVELS


def test_contrast_is_the_one_of_the_guideline():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert ink((0, 114, 178)) == (255, 255, 255)


def test_best_scale_centres_on_zero_unless_an_outlier_forbids_it():
    def of(*values):
        return best_scale((TokenActivations("u", tuple("x" * len(values)), values),))

    assert of(-1.0, -0.5, 0.5, 1.0) == "symmetric"
    assert of(*([-1.0, 1.0] * 30), 500.0) == "robust"
    assert of(0.0, 1.0, 2.0) == "robust"
    assert of(float("nan")) == "robust"


def plain_terminal(text):
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_terminal_colours_every_token_and_keeps_the_text():
    painting = TokenActivations("u", ("Not", " so", "\n", "!"), (0.0, 1.0, 0.5, 0.2), target=1)
    text = heatmap_text(painting)
    head, *body = plain_terminal(text).split("\n")
    assert head.startswith("u: 0 to 1.00")
    assert "\n".join(body) == "Not so↵\n!\n"
    assert text.count("\x1b[48;2;") == 4
    assert re.search(r"\x1b\[48;2;\d+;\d+;\d+;38;2;\d+;\d+;\d+;1;4m so\x1b\[0m", text)
    for line in text.split("\n")[:-1]:
        assert "\x1b[" not in line or line.endswith("\x1b[0m")


def test_terminal_without_colour_gives_values():
    painting = TokenActivations("u", ("Not", " so", "\n", ""), (0.0, 1.0, -0.5, 0.25), target=1)
    text = heatmap_text(painting, colour=False)
    assert text.split("\n", 1)[1] == "Not[0]» so«[1.00]↵[−0.500]\n▯[0.250]\n"
    assert "\x1b" not in text


@pytest.mark.parametrize("colour", [True, False])
def test_a_text_cannot_drive_the_terminal(colour):
    painting = TokenActivations(
        "u\x1b[1m", ("\x1b[2J", "\r", "\x9b1m", "\x7f"), (0.0, 1.0, 2.0, 3.0)
    )
    shown = plain_terminal(heatmap_text(painting, colour=colour))
    assert not set(shown) & {"\x1b", "\r", "\x9b", "\x7f"}
    assert "␛[2J" in shown
    assert SEPARATED not in shown


def test_a_heatmap_shows_itself_in_a_notebook_and_a_terminal():
    shown = TextHeatmap(paintings())
    assert shown.chosen == best_scale(paintings())
    assert shown._repr_html_() == heatmap_html(paintings(), shown.chosen)
    assert "\x1b[" not in str(shown)
    assert str(shown).count("»") == 2
    coloured = TextHeatmap(paintings(), "symmetric").text()
    assert coloured.startswith(heatmap_text(paintings()[0], "symmetric"))
    assert heatmap_text(paintings()[1], "symmetric") in coloured


def test_what_is_unseen_or_turns_the_line_is_shown_by_its_number() -> None:
    piece = "a\u202eb\u200bc\u2028d"
    shown = heatmap_text(TokenActivations("L0.q.h0.0", (piece,), (1.0,)), colour=False)
    assert "a⟨U+202E⟩b⟨U+200B⟩c⟨U+2028⟩d" in shown
    assert not set(shown) & set("\u202e\u200b\u2028")
