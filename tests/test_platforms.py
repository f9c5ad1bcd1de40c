"""Where it cannot run it says so in one sentence."""

import importlib
import sys

import pytest

from opt_istn import platforms, runs
from opt_istn.cli import main


def test_windows_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line and the runs behind it say what they need; Linux they take."""
    assert platforms.refusal() == ""
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["presets"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), "expected Linux or macOS (untested)" in err) == (1, True)
    with pytest.raises(ImportError, match="expected Linux or macOS"):
        importlib.reload(runs)
