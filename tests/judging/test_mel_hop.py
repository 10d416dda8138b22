"""The hop of mels: of their folder, else of the run."""

from __future__ import annotations

import pytest

from judging.mel_hop import mel_hop_seconds
from utils import UserError


def test_the_mel_folder_says_it_before_the_run_and_nobody_is_an_error(tmp_path):
    mels, run = tmp_path / "mels", tmp_path / "run"
    mels.mkdir()
    run.mkdir()
    with pytest.raises(UserError, match="has no hop_seconds; write that of the mels into it"):
        mel_hop_seconds(mels, run)
    (run / "config.yaml").write_text("hop_seconds: 0.1\n")
    assert mel_hop_seconds(mels, run) == 0.1
    (mels / "config.yaml").write_text("hop_seconds: 0.02\n")
    assert mel_hop_seconds(mels, run) == 0.02
