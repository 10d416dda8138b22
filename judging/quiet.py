"""Keeps scikit-learn from talking to the user of a script."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Show no warning from within."""
    # scikit-learn takes few tracks of many classes for a regression, and says so on each call; and a linear SVM that
    # stops short of its tolerance is as good a classifier for our purpose.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
