"""What the page may do, by its own policy: nothing from elsewhere, nothing from texts."""

from __future__ import annotations

import re

import pytest
from library import ground
from pages import click_track, colour_by

from utils import ROOT

pytestmark = pytest.mark.slow

VIEWER = ROOT / "static_web_viewer" / "viewer"


def test_the_policy_allows_no_code_or_style_from_texts(library):
    html = (library.folder / "index.html").read_text(encoding="utf-8")
    assert "unsafe" not in html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy and "*" not in policy and "connect-src" not in policy
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|https?://", html)


@pytest.mark.parametrize("path", sorted(VIEWER.glob("*.js")), ids=lambda path: path.stem)
def test_no_script_makes_code_or_html_of_texts(path):
    text = path.read_text(encoding="utf-8")
    found = re.findall(
        r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bfetch\(|XMLHttp", text
    )
    assert found == []
    assert not re.findall(r"https?://(?!www\.w3\.org/(?:2000/svg|1999/xhtml)\b)", text)


def test_a_page_that_is_used_asks_for_its_own_files_alone_and_says_nothing(shelf, library):
    click_track(shelf, library, 30)
    for column in ("place", "plays", "added", "distance to the current track"):
        colour_by(shelf, column)
    shelf.click("#about, footer summary")
    shelf.mouse(ground(shelf))
    shelf.wait("return document.getElementById('track').hidden")
    requested = shelf.requests()
    assert requested and all(url.startswith(("file:///", "data:")) for url in requested)
    assert shelf.messages() == []
