"""How much memory a program can still take, read from folders made as the kernel makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from learning.memory import available_memory

GB = 10**9
UNLIMITED_V1 = 9223372036854771712


def kernel(root: Path, available: int, cgroup: str) -> Path:
    write(root / "proc/meminfo", f"MemTotal:  1 kB\nMemFree:  5 kB\nMemAvailable:   {available // 1024} kB\n")
    write(root / "proc/self/cgroup", cgroup)
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def group(folder: Path, limit: int | str, used: int, **stat: int) -> None:
    """A group of version 2."""
    write(folder / "memory.max", f"{limit}\n")
    write(folder / "memory.current", f"{used}\n")
    write(folder / "memory.stat", "".join(f"{name} {value}\n" for name, value in {"anon": 1, **stat}.items()))


def old_group(folder: Path, limit: int, used: int, **stat: int) -> None:
    """A group of version 1. What is its own, without the groups below, has the short names."""
    write(folder / "memory.limit_in_bytes", f"{limit}\n")
    write(folder / "memory.usage_in_bytes", f"{used}\n")
    lines = {f"total_{name}": value for name, value in stat.items()} | dict.fromkeys(stat, 7)
    write(folder / "memory.stat", "".join(f"{name} {value}\n" for name, value in lines.items()))


def near(value: int) -> object:
    return pytest.approx(value, abs=1024)


def test_without_control_groups_it_is_what_the_kernel_says(tmp_path):
    assert available_memory(tmp_path) is None
    assert available_memory(kernel(tmp_path, 7 * GB, "")) == near(7 * GB)
    assert available_memory() > 0  # of this machine


def test_files_that_were_read_count_as_there(tmp_path):
    """After 50 GB of reading a group of 8 GB is full of page cache, and all of that can be had."""
    kernel(tmp_path, 60 * GB, "0::/\n")
    group(tmp_path / "sys/fs/cgroup", 8 * GB, 8 * GB, inactive_file=5 * GB, active_file=GB, slab_reclaimable=GB // 2)
    assert available_memory(tmp_path) == near(6 * GB + GB // 2)


def test_it_is_the_processs_own_group_that_counts_and_every_one_above(tmp_path):
    kernel(tmp_path, 60 * GB, "0::/user.slice/job 7\n")
    top = tmp_path / "sys/fs/cgroup"
    group(top / "other.slice", GB, GB)
    group(top / "user.slice/job 7", "max", 2 * GB)
    assert available_memory(tmp_path) == near(60 * GB)
    group(top / "user.slice", 16 * GB, 12 * GB, inactive_file=3 * GB)
    assert available_memory(tmp_path) == near(7 * GB)
    group(top / "user.slice/job 7", 4 * GB, 2 * GB)
    assert available_memory(tmp_path) == near(2 * GB)
    group(top / "user.slice", 4 * GB, 4 * GB)
    assert available_memory(tmp_path) == 0


@pytest.mark.parametrize("path", ["/docker/3f2a", "/../../docker/3f2a"])
def test_in_a_container_that_does_not_see_its_path_the_top_folder_is_its_own(tmp_path, path):
    kernel(tmp_path, 60 * GB, f"12:cpu,cpuacct:/elsewhere\n5:memory:{path}\n0::{path}\n")
    old_group(tmp_path / "sys/fs/cgroup/memory", 4 * GB, 3 * GB, inactive_file=GB, active_file=GB)
    assert available_memory(tmp_path) == near(3 * GB)


def test_the_memory_controller_of_version_1(tmp_path):
    kernel(tmp_path, 60 * GB, "5:hugetlb,memory:/jobs/a:b\n1:name=systemd:/x\n")
    top = tmp_path / "sys/fs/cgroup/memory"
    old_group(top, UNLIMITED_V1, 30 * GB)
    old_group(top / "jobs", UNLIMITED_V1, 30 * GB)
    assert available_memory(tmp_path) == near(60 * GB)
    old_group(top / "jobs/a:b", 10 * GB, 9 * GB, inactive_file=4 * GB)
    assert available_memory(tmp_path) == near(5 * GB)
