"""Import paths of the last release."""

import importlib
import subprocess
import sys
from importlib import import_module

import pytest

import formulations
from opt_istn import _moved

PLACES = {**_moved.CORE, **_moved.FORMULATIONS}


@pytest.mark.parametrize("old", PLACES)
def test_an_old_path_warns_and_gives_the_module_at_the_new_one(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert formulations.__name__ == "formulations"  # its import lets the old names be found
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=rf"{old} is {PLACES[old]} now") as caught:
        assert import_module(old) is import_module(PLACES[old])
    assert import_module(PLACES[old]).__name__ == PLACES[old]
    assert caught[0].filename == importlib.__file__


def test_the_warning_names_the_line_that_imports_and_spoils_nothing() -> None:
    lines = "from opt_istn import record\nprint(record.__name__, record.__spec__.name)\n"
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", lines], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["opt_istn.runs.ledger"] * 2
    assert "<string>:1: DeprecationWarning: opt_istn.record is opt_istn.runs.ledger" in ran.stderr


def test_a_name_that_never_existed_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"opt_istn\.nowhere"):
        import_module("opt_istn.nowhere")
