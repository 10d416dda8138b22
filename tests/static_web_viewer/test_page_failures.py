"""The page in a real Chromium: what is missing or forbidden is told."""

from __future__ import annotations

import shutil

import pytest
from browser import file_address

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "part",
    [
        "data/map",
        "data/neighbours",
        "viewer/cloud",
        "viewer/store",
        "viewer/map",
        "viewer/main",
        "viewer/style",
        "*/*",
    ],
)
def test_a_missing_file_is_told_on_the_page(browser, collection, tmp_path, part):
    """ "*/*" is what somebody gets who copies index.html alone."""
    page = shutil.copytree(collection.folder, tmp_path / "a copy")
    for missing in page.glob(f"{part}-*"):
        missing.unlink()
    browser.open(file_address(page / "index.html"), page, wait="document.readyState === 'complete'")
    try:
        browser.wait("return document.body.innerText.includes('whole folder')")
    finally:
        browser.messages()  # that it is not there


def test_a_page_from_which_a_file_is_missing_names_it(browser, collection, tmp_path):
    page = shutil.copytree(collection.folder, tmp_path / "a copy")
    (missing,) = page.glob("data/vectors-*")
    missing.unlink()
    browser.open(file_address(page / "index.html"), page, wait="document.readyState === 'complete'")
    browser.wait("return !document.getElementById('failure').hidden")
    assert missing.name in browser.text("#failure")
    assert all(missing.name in message for message in browser.messages())


def test_what_the_browser_forbids_is_told(page):
    page.run("new Image().src = 'https://example.org/picture.png'")
    page.wait("return !document.getElementById('failure').hidden")
    assert "example.org" in page.text("#failure")
    assert all("Content Security Policy" in message for message in page.messages())
    page.run("document.getElementById('failure').hidden = true")
    page.run("fetch('https://example.org/').catch(() => {})")
    page.wait("return !document.getElementById('failure').hidden")
    assert all("Content Security Policy" in m or "example.org" in m for m in page.messages())
    page.requests()  # those that were forbidden
