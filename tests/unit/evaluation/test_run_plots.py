"""Plots as SVG: what stands where, and that nothing from outside becomes markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from evaluation.calibration import Bin, Forecast, RiskPoint, reliability, risk_coverage
from evaluation.reporting import plots
from evaluation.reporting.plots import ForestWords, ReliabilityWords, RiskWords, Row
from evaluation.reporting.svg import Caption, Scale, fitted, number

SVG = "{http://www.w3.org/2000/svg}"
CAPTION = Caption("plot-1", "A title", "What is seen.")
FOREST = ForestWords("Accuracy (%)", "model", "examinees", "n")
HOSTILE = '</text><script>alert("1")</script>&\x1b[31m\u202e'


def forest(*rows: Row) -> ET.Element:
    return ET.fromstring(plots.forest(CAPTION, rows, FOREST))


def texts(root: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def centres(root: ET.Element) -> list[tuple[float, float]]:
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in root.iter(f"{SVG}circle")]


def test_a_plot_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    root = forest(Row("one", 10, 0.5, 0.2, 0.8))
    assert root.attrib["role"] == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert (title.text, title.attrib["id"]) == ("A title", root.attrib["aria-labelledby"])
    assert (description.text, description.attrib["id"]) == ("What is seen.", root.attrib["aria-describedby"])


def test_marks_stand_in_the_order_of_their_accuracies() -> None:
    root = forest(Row("low", 5, 0.1, 0.0, 0.4), Row("high", 1234, 0.9, 0.8, 1.0, people=0.7))
    low, high, _legend = centres(root)
    assert low[0] < high[0]
    assert low[1] < high[1]  # one row below the other
    assert {"low", "high", "5", "1,234", "0 %", "100 %", "Accuracy (%)", "examinees"} <= set(texts(root))
    assert len(list(root.iter(f"{SVG}polygon"))) == 2  # the one row with people, and the legend
    (people, *_) = root.iter(f"{SVG}polygon")
    xs = [float(corner.split(",")[0]) for corner in people.attrib["points"].split()]
    assert low[0] < (min(xs) + max(xs)) / 2 < high[0]


def test_without_people_there_is_no_mark_for_them() -> None:
    root = forest(Row("one", 10, 0.5, 0.2, 0.8))
    assert not list(root.iter(f"{SVG}polygon"))
    assert "examinees" not in texts(root)


def test_texts_from_outside_stay_texts() -> None:
    svg = plots.forest(Caption("plot-1", HOSTILE, HOSTILE), [Row(HOSTILE, 1, 0, 0, 1)], FOREST)
    root = ET.fromstring(svg)  # well-formed
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg


def test_long_names_are_shortened_by_their_width() -> None:
    assert fitted("short", 100) == "short"
    assert fitted("循環器", 36.1) == "循環器"
    assert fitted("循環器内科", 40) == "循環…"
    assert len(fitted("x" * 1000, 190)) < 30


def test_a_number_that_is_none_is_never_drawn() -> None:
    with pytest.raises(ValueError, match="nan in a plot"):
        number(float("nan"))
    with pytest.raises(ValueError, match="nan in a plot"):
        forest(Row("one", 1, float("nan"), 0, 1))


def test_a_scale_keeps_within_its_ends() -> None:
    scale = Scale(0, 1, 100, 0)
    assert (scale(0), scale(0.25), scale(1), scale(2), scale(-1)) == (100, 75, 0, 0, 100)


def reliability_plot(bins: tuple[Bin, ...]) -> ET.Element:
    return ET.fromstring(plots.reliability(CAPTION, bins, ReliabilityWords("confidence", "accuracy", "ideal", "n")))


def test_the_reliability_diagram_has_a_point_and_a_bar_for_each_bin_that_holds_something() -> None:
    forecasts = [Forecast(0.95, True)] * 8 + [Forecast(0.95, False)] * 2 + [Forecast(0.25, False)] * 3
    root = reliability_plot(reliability(forecasts))
    (unsure, sure) = sorted(centres(root))
    assert unsure[1] > sure[1]  # the higher the accuracy, the higher the point
    bars = {float(one.attrib["x"]): float(one.attrib["height"]) for one in root.iter(f"{SVG}rect")}
    assert len(bars) == 2
    assert bars[min(bars)] / bars[max(bars)] == pytest.approx(0.3, abs=0.01)
    assert {"3", "10", "confidence", "accuracy"} <= set(texts(root))


def test_a_reliability_diagram_of_nothing_is_empty_axes() -> None:
    root = reliability_plot(reliability([]))
    assert not centres(root)
    assert "100 %" in texts(root)


def risk_plot(points: tuple[RiskPoint, ...]) -> ET.Element:
    return ET.fromstring(plots.risk_coverage(CAPTION, points, RiskWords("coverage", "risk", "all")))


def test_the_risk_axis_ends_above_the_highest_risk() -> None:
    points = risk_coverage([Forecast(0.9, True), Forecast(0.8, True), Forecast(0.7, False)])
    labels = texts(risk_plot(points))
    assert labels.count("40 %") == 2  # on both axes
    assert labels.count("60 %") == 1
    (curve,) = risk_plot(points).iter(f"{SVG}polyline")
    first, *_, last = (tuple(map(float, place.split(","))) for place in curve.attrib["points"].split())
    assert first[0] < last[0]
    assert first[1] > last[1]  # from no error to one of three


@pytest.mark.parametrize("correct", [True, False])
def test_a_single_point_of_risk_is_a_dot(correct: bool) -> None:
    root = risk_plot(risk_coverage([Forecast(0.9, correct)]))
    assert len(centres(root)) == 1
    assert not list(root.iter(f"{SVG}polyline"))
    heights = [float(one.attrib["y"]) for one in root.iter(f"{SVG}text")]
    assert min(heights) > 8  # no label leaves the image at its top
