"""The configuration: where values come from, what is refused and in which words."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from config import (
    AUDIO_KEYS,
    CHOICES,
    DEFAULT_CONFIG,
    RANGES,
    RESOLUTION_KEYS,
    SHORT_SOUNDS_CONFIG,
    Config,
    add_config_arguments,
    audio_half,
    build_config,
    in_todays_keys,
    load_config,
    read_config_file,
    refuse_changed_keys,
    shipped_config,
    to_yaml,
)
from utils import ROOT, UserError

KINDS = {field.name: field.type for field in dataclasses.fields(Config)}


BOMB = "a0: &a0 [1, 1, 1]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(12))


def load(*argv: str) -> tuple[Config, frozenset[str]]:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return load_config(parser.parse_args([str(word) for word in argv]))


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "my config, é.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def message(*argv: str) -> str:
    with pytest.raises(UserError) as raised:
        load(*argv)
    return str(raised.value)


# Where values come from


def test_every_key_has_a_default_with_its_reason():
    assert read_config_file(DEFAULT_CONFIG).keys() == KINDS.keys()
    for line in DEFAULT_CONFIG.read_text().splitlines():
        assert not line or line.startswith("#") or len(line.partition("#")[2]) > 10, f"no reason: {line}"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads_and_holds_only_what_differs(path):
    config, given_keys = load("--config", path)
    defaults = load()[0]
    if path != DEFAULT_CONFIG:
        assert {key for key in KINDS if getattr(config, key) != getattr(defaults, key)} == given_keys
    resolution = dict.fromkeys(RESOLUTION_KEYS) if path == SHORT_SOUNDS_CONFIG else {}
    assert audio_half(config) | resolution == audio_half(defaults) | resolution
    assert shipped_config(path) == config


def test_the_default_gives_way_to_the_file_and_the_file_to_set(tmp_path):
    path = write(tmp_path, "window: 7\nseed: 7\nmel_bins: 40\n")
    config, given_keys = load("--config", path, "--set", "seed=8", "--set", "mel_bins=41", "--set", "mel_bins=42")
    assert (config.window, config.seed, config.mel_bins, config.sample_rate_hz) == (7, 8, 42, 16000)
    assert given_keys == {"window", "seed", "mel_bins"}


def test_seed_is_the_same_as_set_seed():
    assert load("--seed", "5") == load("--set", "seed=5")
    assert load("--set", "seed=4", "--seed", "5")[0].seed == 5


def test_an_empty_file_changes_nothing(tmp_path):
    assert load("--config", write(tmp_path, "# nothing\n")) == load()


@pytest.mark.parametrize("text", ["1e-3", "0.001", "1.0e-3", "1E-3", " 0.001 "])
def test_a_float_is_read_however_it_is_written(tmp_path, text):
    assert load("--set", f"learning_rate={text}")[0].learning_rate == 0.001
    assert load("--config", write(tmp_path, f"learning_rate: {text}\n"))[0].learning_rate == 0.001


def test_whole_numbers_and_floats_are_taken_for_each_other():
    config, _ = load("--set", "mel_low_hz=100", "--set", "mel_bins=64.0", "--set", "hop_seconds=1")
    assert (config.mel_low_hz, config.mel_bins, config.hop_seconds) == (100.0, 64, 1.0)
    assert [type(getattr(config, key)).__name__ for key in KINDS] == list(KINDS.values())


def test_what_a_run_writes_is_read_back_as_it_was(tmp_path):
    config, _ = load("--set", "learning_rate=1e-9", "--set", "hop_seconds=0.123456789")
    path = write(tmp_path, to_yaml(dataclasses.asdict(config)))
    assert load("--config", path)[0] == config
    assert read_config_file(write(tmp_path, to_yaml(audio_half(config)))) == audio_half(config)
    assert tuple(audio_half(config)) == AUDIO_KEYS


# Keys of older versions

OLD_RUN = """sample_rate_hz: 22050
hop_seconds: 0.05
mel_bins: 80
mel_low_hz: 80.0
mel_high_hz: 7600.0
decoder: ffmpeg
window: 7
seed: 3
"""


def test_a_file_of_an_older_version_means_what_it_did(tmp_path):
    path = write(tmp_path, OLD_RUN)
    config, given_keys = load("--config", path)
    assert (config.frame_samples, config.hop_samples, config.window, config.seed) == (2048, 1102, 7, 3)
    assert config.window_seconds == 0.35
    assert {"frame_seconds", "window"} <= given_keys
    assert load("--config", path, "--set", "window=9")[0].window == 9
    assert load("--config", path, "--set", "window=9", "--set", "hop_seconds=0.01")[0].window_seconds == 0.09
    assert load("--config", path, "--set", "frame_seconds=0.04")[0].frame_seconds == 0.04
    values = yaml.safe_load(OLD_RUN)
    whole = {key: value for key, value in read_config_file(DEFAULT_CONFIG).items() if key != "window_seconds"}
    del whole["frame_seconds"]
    assert build_config(whole | values, "a run") == config
    assert in_todays_keys(values, "")["window_seconds"] == 0.35
    assert values == yaml.safe_load(OLD_RUN)


def test_a_file_that_holds_no_whole_audio_half_takes_the_frame_of_the_default(tmp_path):
    config, given_keys = load("--config", write(tmp_path, "sample_rate_hz: 22050\nhop_seconds: 0.05\n"))
    assert config.frame_seconds == 0.128
    assert given_keys == {"sample_rate_hz", "hop_seconds"}


@given(
    hops=st.integers(1, 10000),
    hop_seconds=st.one_of(st.integers(1, 2700).map(lambda thousandth: thousandth / 1000), st.floats(0.001, 2.7)),
    rate=st.integers(15200, 384000),
)
def test_hops_and_frames_of_older_versions_come_out_as_many(hops, hop_seconds, rate):
    values = read_config_file(DEFAULT_CONFIG) | {"hop_seconds": hop_seconds, "window": hops, "sample_rate_hz": rate}
    del values["window_seconds"], values["frame_seconds"]
    config = build_config(values, "")
    assert (config.window, config.frame_samples) == (hops, 2048)


@pytest.mark.parametrize("setting", ["window=0", "window=10001"])
def test_a_window_in_hops_has_its_range(setting):
    assert message("--set", setting) == f"--set: window: {setting[7:]} is not between 1 and 10000"


def test_a_window_in_hops_and_in_seconds_is_refused(tmp_path):
    said = "window: 4 (hops) and window_seconds: 0.5 say the same thing; leave one of them out"
    assert message("--set", "window=4", "--set", "window_seconds=0.5") == f"--set: {said}"
    path = write(tmp_path, "window: 4\n")
    assert message("--config", path, "--set", "window_seconds=0.5") == f"{path} and --set: {said}"


def test_no_pair_is_nearer_than_a_hop():
    assert load("--set", "window_seconds=0")[0].window == 1


# What is refused


def test_a_frame_that_holds_fewer_than_two_samples_is_refused():
    slow = ["--set", "sample_rate_hz=1000", "--set", "mel_high_hz=500"]
    assert message(*slow, "--set", "frame_seconds=0.001") == (
        "--set: frame_seconds: 0.001 is 1 sample at sample_rate_hz 1000, and 2 is the least; use a greater one"
    )
    config, _ = load(*slow, "--set", "frame_seconds=0.002", "--set", "hop_seconds=0.001")
    assert (config.frame_samples, config.hop_samples) == (2, 1)


def test_a_hop_of_less_than_a_sample_is_refused(monkeypatch):
    monkeypatch.setitem(RANGES, "hop_seconds", (0.0, 60.0))
    assert "hop_seconds: 1e-05 is 0 samples at sample_rate_hz 16000, and 1 is the least" in message(
        "--set", "hop_seconds=1e-5"
    )


def test_a_frame_of_which_a_block_would_take_gigabytes_is_refused():
    fast = ["--set", "sample_rate_hz=384000", "--set", "hop_seconds=0.1"]
    assert message(*fast, "--set", "frame_seconds=60") == (
        "--set: frame_seconds: 60.0 is 23,040,000 samples at sample_rate_hz 384000, and 1,048,576 are the most; "
        "use a smaller one"
    )
    assert load("--set", "frame_seconds=60", "--set", "hop_seconds=60")[0].frame_samples == 960_000


def test_an_unknown_key_names_the_nearest(tmp_path):
    assert message("--set", "mel_bin=64") == "--set: unknown key 'mel_bin'; did you mean 'mel_bins'?"
    path = write(tmp_path, "hop_second: 0.1\n")
    assert message("--config", path) == f"{path}: unknown key 'hop_second'; did you mean 'hop_seconds'?"
    assert "unknown key '5'" in message("--config", write(tmp_path, "5: 1\n"))


def test_an_unknown_key_near_none_names_them_all():
    error = message("--set", "qqqq=1")
    assert all(key in error for key in KINDS)


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("mel_bins=many", "int"),
        ("mel_bins=64.5", "int"),
        ("mel_bins=true", "int"),
        ("mel_bins=[64]", "int"),
        ("mel_bins=", "int"),
        ("hop_seconds=soon", "float"),
        ("hop_seconds=no", "float"),
        ("hop_seconds={a: 1}", "float"),
        ("differences=1", "bool"),
        ("differences=maybe", "bool"),
        ("decoder=1", "str"),
    ],
)
def test_a_wrong_type_names_key_value_and_type(setting, kind):
    key, _, text = setting.partition("=")
    assert message("--set", setting) == f"--set: {key}: {yaml.safe_load(text)!r} is not of type {kind}"


@pytest.mark.parametrize("key", RANGES)
def test_the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not(key):
    low, high = RANGES[key]
    beyond = 1 if KINDS[key] == "int" else 1e-4
    for value in (low - beyond, high + beyond):
        assert message("--set", f"{key}={value}") == f"--set: {key}: {value!r} is not between {low} and {high}"
    with_room = ["--set", "sample_rate_hz=384000", "--set", "mel_low_hz=0.5", "--set", "mel_high_hz=192000"]
    if key == "sample_rate_hz":
        with_room[-1] = "mel_high_hz=500"
    if key in ("frame_seconds", "hop_seconds"):
        with_room = []  # which at that rate would be too many samples
    if key == "mel_low_hz":
        low, high = low, high - 1
    for value in (low, high):
        assert getattr(load(*with_room, "--set", f"{key}={value}")[0], key) == value


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "nan", "1e999"])
def test_numbers_that_are_none_are_refused(value):
    assert "hop_seconds" in message("--set", f"hop_seconds={value}")


@pytest.mark.parametrize("key", CHOICES)
def test_a_choice_names_what_there_is(key):
    assert message("--set", f"{key}=other") == f"--set: {key}: 'other' is none of {', '.join(CHOICES[key])}"


@pytest.mark.parametrize(
    "settings", [["mel_low_hz=8000", "mel_high_hz=7000"], ["mel_high_hz=8001"], ["sample_rate_hz=8000"]]
)
def test_the_mel_range_must_rise_and_end_below_half_the_sample_rate(settings):
    error = message(*(word for setting in settings for word in ("--set", setting)))
    assert "they must rise, and end at or below half of sample_rate_hz" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1\n- 2\n", "expected lines of the form KEY: VALUE"),
        ("seed 5\n", "expected lines of the form KEY: VALUE"),
        ("seed: [1\n", "not readable as YAML"),
        (b"seed: \xff\n", "not readable as YAML"),
        (b"\0\0", "not readable as YAML"),
        ("seed: 2026-99-99\n", "not readable as YAML"),
        ("seed: !!python/object/apply:os.getpid []\n", "not readable as YAML"),
        ("seed: !!bool no\n", "aliases and tags are not taken, line 1"),
        (BOMB, "aliases and tags are not taken, line 1"),
        ("seed: 1\n" + "#" * 10**6, "is longer than any configuration"),
        (f"seed: {'9' * 5000}\n", "not readable as YAML"),
        (f"seed: {'9' * 400}\n", "... is not between 0 and"),
        (f"hop_seconds: {'9' * 400}\n", "... is not between 0.001 and"),
        (f"seed: 1{':59' * 30000}\n", "seed: a number of thousands of digits is not between"),
        (f"{'k' * 1000}: 1\n", "unknown key"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text, said):
    path = write(tmp_path, text)
    error = message("--config", path)
    assert error.startswith(f"{path}: ")
    assert said in error
    assert len(error) < 2000


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "none.yaml"
    assert message("--config", path) == (
        f"{path}: no such configuration; restore it, or see the files in {ROOT / 'configs'}"
    )


@pytest.mark.parametrize("setting", ["seed", "", "seed:1"])
def test_a_setting_without_an_equals_sign_shows_how(setting):
    assert message("--set", setting) == f"--set {setting!r}: write it as KEY=VALUE, e.g. --set seed=1"


@pytest.mark.slow
@given(key=st.sampled_from(sorted(KINDS)), text=st.text(max_size=20))
@example(key="seed", text="2026-99-99")
@example(key="seed", text="0b_")
@example(key="seed", text="!!int x")
@example(key="seed", text="[" * 5000)
def test_any_text_is_a_value_or_an_error_in_words(key, text):
    try:
        config, given_keys = load("--set", f"{key}={text}")
    except UserError as error:
        assert str(error).startswith("--set")
    else:
        assert given_keys == {key}
        assert type(getattr(config, key)).__name__ == KINDS[key]


def test_a_changed_key_names_key_old_and_new(tmp_path):
    with pytest.raises(UserError) as raised:
        refuse_changed_keys({"mel_bins": 80}, {"seed": 1, "mel_bins": 64}, tmp_path, "name another folder")
    assert str(raised.value) == (
        f"{tmp_path}: was made with mel_bins: 80, and mel_bins: 64 is asked for now; name another folder"
    )
    refuse_changed_keys({"mel_bins": 80}, {"mel_bins": 80.0, "decoder": "sox"}, tmp_path, "")
