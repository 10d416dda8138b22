"""The way of make demo, from the clips of example_input to their map: it is no dot, and kinds lie together on it."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import spectrify_all
import spectrogram_doc2vec
from static_web_viewer import display_vector_data
from static_web_viewer.page.layout import all_in_one_place, map_width
from utils import ROOT

pytestmark = pytest.mark.slow

CLIPS, LABELS = ROOT / "example_input", ROOT / "example_input/labels.csv"
CONFIG = f"--config={ROOT / 'configs/small_train.yaml'}"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the demo, made by its three stages as the Makefile calls them."""
    folder = tmp_path_factory.mktemp("the demo")
    mels, run, out = (str(folder / name) for name in ("vectors", "outs", "page"))
    assert spectrify_all.main([str(CLIPS), mels, CONFIG, "--quiet"]) == 0
    assert spectrogram_doc2vec.main([mels, run, CONFIG, "--quiet"]) == 0
    assert display_vector_data.main([run, str(CLIPS), out, "--labels", str(LABELS), "--quiet"]) == 0
    return folder / "page"


def read_csv(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_map_is_no_dot_and_the_nearest_on_it_are_mostly_of_a_kind(page):
    genres = {row["filename"]: row["genre"] for row in read_csv(LABELS)}
    rows = read_csv(page / "layout.csv")
    assert {row["filename"] for row in rows} == set(genres)
    xy = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    assert np.isfinite(xy).all() and not all_in_one_place(xy)
    apart = np.linalg.norm(xy[:, None] - xy, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.median(apart.min(axis=1)) > 0.05 / np.sqrt(len(xy)) * map_width(xy)
    kind = np.array([genres[row["filename"]] for row in rows])
    assert (kind[apart.argmin(axis=1)] == kind).mean() > 0.5


def test_the_demo_is_what_the_makefile_does():
    """The three stages above have the arguments of the Makefile's demo."""
    text = (ROOT / "Makefile").read_text()
    assert "CONFIG := configs/small_train.yaml" in text
    for stage in (
        "spectrify_all.py example_input/ example_vectors/ --config=$(CONFIG)",
        "spectrogram_doc2vec.py example_vectors/ example_outs/ --config=$(CONFIG)",
        "display_vector_data.py example_outs/ example_input/ example_page/ --labels example_input/labels.csv",
    ):
        assert stage in text
