"""Our scripts run in a fork of this process, which has their libraries already: five times as many a minute.

TensorFlow does not stand a fork; its scripts, and what is about starting and stopping, go through running.py.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from torture.running import Done, command
from utils import ROOT

LIBRARIES = ("matplotlib.pyplot", "mutagen", "sklearn.svm", "sklearn.linear_model", "sklearn.model_selection", "yaml")
POLL_SECONDS = 0.01
MOST_BYTES = 8 << 30  # of a script


def run_forked(script: str, *arguments: str | Path, seconds: float) -> Done:
    """Return what a script did, as `running.run_script` does."""
    module = _module(script)
    argv = list(map(os.fspath, arguments))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, process = time.monotonic(), os.fork()
        if not process:
            _be_a_script(module, script, argv, out.fileno(), err.fileno())
        hangs = ""
        while True:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                break
            if time.monotonic() - started > seconds:
                hangs = f"\nTraceback: it did not end within {seconds} s"
                os.kill(process, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    taken = time.monotonic() - started
    return Done(command(script, *argv), os.waitstatus_to_exitcode(status), texts[0], texts[1] + hangs, taken)


def _module(script: str):
    for name in LIBRARIES:
        importlib.import_module(name)
    return importlib.import_module(script.removesuffix(".py").replace("/", "."))


def _be_a_script(module, script: str, argv: list[str], out: int, err: int) -> None:
    code = 1
    try:
        os.setsid()
        # What reads without end ends alone, and not with whatever else this machine does
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        os.chdir(ROOT)
        for descriptor, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = [str(ROOT / script), *argv]
        warnings.simplefilter("ignore")
        code = module.main(argv)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
