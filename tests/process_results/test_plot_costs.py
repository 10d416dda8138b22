import math
import xml.dom.minidom
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_results import plot_costs
from runs import run_folder
from runs.run_folder import CostRow

COSTS = [CostRow(x, 5 / x + 1, abs(x - 7) / 10 + 2, x * 250_000, x * 9.5) for x in range(1, 13)]


def write_run(folder: Path, costs: list[CostRow]) -> Path:
    folder.mkdir(parents=True)
    vectors = np.ones((1, 2), np.float32)
    run_folder.commit_save(folder, costs[-1].epoc, vectors, {}, costs, b"seed: 0\n", 5, ["a song, é.mp3.npy"])
    return folder


def boxes(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    return figure.axes[0].get_tightbbox(), figure.legends[0].get_window_extent()


@pytest.mark.parametrize("name", ["costs.png", "costs.svg"])
def test_a_picture_of_the_costs(tmp_path, capfd, name):
    run, output = write_run(tmp_path / "a $run_$", COSTS), tmp_path / name
    assert plot_costs.main([str(run), "--output", str(output)]) == 0
    made = f"{output}: 12 saves, 3,000,000 pairs in 2 min; lowest held-out cost 2.0000 at save 7\n"
    assert capfd.readouterr() == (made, "")
    if name.endswith("svg"):
        xml.dom.minidom.parse(str(output))
    else:
        assert output.read_bytes()[16:24] == (1600).to_bytes(4) + (900).to_bytes(4)


def test_lines_mark_and_time_axis():
    figure = plot_costs.draw_costs(COSTS, "title")
    cost, held_out, lowest = figure.axes[0].get_lines()
    assert cost.get_ydata().tolist() == [row.cost for row in COSTS]
    assert held_out.get_xdata().tolist() == [row.pairs for row in COSTS]
    assert (lowest.get_xdata().tolist(), lowest.get_ydata().tolist()) == ([7 * 250_000], [2.0])
    axes, legend = boxes(figure)
    assert legend.y1 <= axes.y0
    above = figure.axes[0].child_axes[0]
    assert above.get_xlabel() == "time inside training steps (seconds)"
    for tick, text in zip(above.get_xticks(), above.get_xticklabels(), strict=True):
        assert float(text.get_text()) == pytest.approx(tick / 250_000 * 9.5, rel=0.01)


@pytest.mark.parametrize(
    "costs",
    [
        [CostRow(1, 3.0, math.nan, 1000, 0.5)],
        [CostRow(1, math.nan, math.nan, 0, 0.0)],
        [CostRow(1, 3.0, 3.0, 1000, 2.0), CostRow(2, math.nan, 2.5, 1000, 2.0)],
        [CostRow(x, 2.0, math.nan, 10**12 * x, 1e5 * x) for x in range(1, 200)],
    ],
)
def test_costs_that_are_few_missing_or_many(tmp_path, capsys, costs):
    run, output = write_run(tmp_path / "a run", costs), tmp_path / "costs.png"
    assert plot_costs.main([str(run), "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert ("no held-out cost" in out) == all(math.isnan(row.held_out_cost) for row in costs)


finite_or_nan = st.one_of(st.just(math.nan), st.floats(0, 9))


@given(st.lists(finite_or_nan, max_size=20))
def test_the_lowest_is_the_lowest(held_out):
    rows = [CostRow(x, 1.0, cost, x, x) for x, cost in enumerate(held_out, start=1)]
    lowest = plot_costs.lowest_held_out(rows)
    known = [cost for cost in held_out if not math.isnan(cost)]
    assert lowest is None if not known else lowest.epoc == 1 + held_out.index(min(known))


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (1e3, "1 k"), (2.5e6, "2.5 M"), (1e12, "1000 G")])
def test_short_numbers(value, text):
    assert plot_costs.short_number(value) == text


def test_errors_say_what_to_do(tmp_path, capsys):
    run = write_run(tmp_path / "a run", COSTS)
    output = str(tmp_path / "costs.png")
    for arguments, message in (
        ([str(run), "--output", str(tmp_path / "costs.jpg")], "the name must end in .png or .svg"),
        ([str(run), "--output", str(tmp_path / "no" / "costs.png")], "make it first"),
        ([str(tmp_path / "none"), "--output", output], "no such run folder; make one with"),
    ):
        assert plot_costs.main(arguments) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    (run / "cost_list.csv").unlink()
    assert plot_costs.main([str(run), "--output", output]) == 1
    assert "its cost_list.csv is missing or holds no save" in capsys.readouterr().err
    (run / "cost_list.csv").write_text("epoc,cost\n1,x\n")
    assert plot_costs.main([str(run), "--output", output]) == 1
    assert "not a table of epoc,cost" in capsys.readouterr().err
    assert not Path(output).exists()
