"""Reading and writing files: whatever is wrong is one line that names it."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opt_istn import InputError, files, generate
from opt_istn.files import placing
from opt_istn.jutap import instance as instances
from opt_istn.jutap import plan as plans
from opt_istn.push import Plan as PushPlan
from opt_istn.push import instance as push_instances
from opt_istn.push import plan as push_plans
from tests.planted import best_plan, tiny

Edit = Callable[[dict[str, Any]], Any]


def _document() -> dict[str, Any]:
    return json.loads(json.dumps(tiny().document()))


def _set(*path: str | int, to: Any) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return edit


NUMBERS = ["grid", "num_mbs", "start", "end", "start_link", "energy_budget_mj", "cell_m", "version"]
OTHERS = ["name", "links", "strongest", "cost", "energy_mj", "association", "scenario", "format"]
COSTS = ["move", "mbs_to_mbs", "geo_to_mbs", "mbs_to_geo", "geo_stay", "hole_to_mbs", "hole"]

WRONG_INSTANCES: list[tuple[str, Edit]] = [
    *((name, _set(name, to="x" * 3)) for name in NUMBERS),
    *((name, _set(name, to=1.5)) for name in NUMBERS if name != "cell_m"),
    *((name, _set(name, to=-1)) for name in NUMBERS),
    *((name, _set(name, to=10**30)) for name in NUMBERS if name not in ("cell_m", "version")),
    *((name, _set(name, to=True)) for name in NUMBERS),
    *((name, _set(name, to=7)) for name in OTHERS),
    *((name, lambda d, name=name: d.pop(name)) for name in [*NUMBERS, *OTHERS]),
    *((f"cost.{name}", _set("cost", name, to="1")) for name in COSTS),
    *((f"cost.{name}", _set("cost", name, to=10**9 + 1)) for name in COSTS[1:]),
    *((f"`{name}`", lambda d, name=name: d["cost"].pop(name)) for name in COSTS),
    ("start", _set("start", to=9)),
    ("end", _set("end", to=9)),
    ("start_link", _set("start_link", to=1)),
    ("links", _set("links", to=[[0]] * 8)),
    ("links[3]", _set("links", 3, to=[0, 0])),
    ("links[3]", _set("links", 3, to=[0, 1])),
    ("links[3]", _set("links", 3, to=[3])),
    ("links[3][0]", _set("links", 3, to=[-1])),
    ("strongest[4]", _set("strongest", 4, to=1)),
    ("strongest", _set("strongest", to=[])),
    ("energy_mj", _set("energy_mj", to=[1000])),
    ("energy_mj", _set("energy_mj", to=[0, 1000])),
    ("cost.enter", _set("cost", "enter", to=[0])),
    ("cost.move", _set("cost", "move", to=[1])),
    ("association", _set("association", to="weakest")),
    ("cell_m", _set("cell_m", to=0)),
    ("color", _set("color", to="red")),
    ("colour", _set("cost", "colour", to="red")),
    ("format", _set("format", to="opt-istn/push")),
    ("version", _set("version", to=3)),
]


@pytest.mark.parametrize(("field", "edit"), WRONG_INSTANCES)
def test_wrong_instances_name_the_field(field: str, edit: Edit) -> None:
    """Every field of an instance file, wrong in turn, is refused by name in one line."""
    document = _document()
    edit(document)
    with pytest.raises(InputError) as caught:
        instances.from_bytes(json.dumps(document).encode(), "it.json")
    text = str(caught.value)
    assert text.startswith("it.json: ")
    assert field.strip("`") in text
    assert "\n" not in text


WRONG_PLANS: list[tuple[str, Edit]] = [
    ("instance", _set("instance", to="abc")),
    ("instance", _set("instance", to=5)),
    ("cells", _set("cells", to=[])),
    ("cells", _set("cells", to=[0.5])),
    ("cells", _set("cells", to=[-1, 0, 0])),
    ("cells", _set("cells", to=[2**40, 0, 0])),
    ("links", _set("links", to=[0])),
    ("links", _set("links", to="000")),
    ("extra", _set("extra", to=1)),
    ("format", _set("format", to="opt-istn/jutap")),
    ("version", _set("version", to=0)),
    *((name, lambda d, name=name: d.pop(name)) for name in ("cells", "links", "instance")),
]


@pytest.mark.parametrize(("field", "edit"), WRONG_PLANS)
def test_wrong_plans_name_the_field(field: str, edit: Edit) -> None:
    """Every field of a plan file, wrong in turn, is refused by name."""
    document = best_plan(tiny()).document()
    edit(document)
    with pytest.raises(InputError, match=field):
        plans.from_bytes(json.dumps(document).encode(), "plan.json")


def test_a_byte_order_mark_is_skipped() -> None:
    """The mark that some editors put before UTF-8 changes nothing, twice it is no JSON."""
    mark = b"\xef\xbb\xbf"
    text = json.dumps(_document()).encode()
    assert instances.from_bytes(mark + text).sha256 == tiny().sha256
    with pytest.raises(InputError, match="expected a JSON object"):
        instances.from_bytes(mark + mark + text)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (json.dumps(_document()).encode("utf-16"), "UTF-16"),
        (json.dumps(_document()).encode("utf-16-le"), "UTF-16"),
        (json.dumps(_document()).encode("utf-16-be"), "UTF-16"),
        (json.dumps(_document()).encode("utf-32"), "UTF-32"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    ],
)
def test_foreign_files_are_named(data: bytes, found: str) -> None:
    """What is UTF-16, UTF-32 or a pointer of Git LFS is refused as that."""
    with pytest.raises(InputError, match=f"it: expected text in UTF-8, found .*{found}"):
        instances.from_bytes(data, "it")


def _matlab(value: Any) -> Any:
    """Return a document as MATLAB holds it: one entry for a list of one, doubles, no null."""
    if isinstance(value, dict):
        return {key: _matlab(x) for key, x in value.items()}
    if isinstance(value, list):
        return _matlab(value[0]) if len(value) == 1 else [_matlab(x) for x in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return [] if value is None else value


def _pandas(value: Any) -> Any:
    """Return a document with floats for integers and NaN for nothing in it."""
    if isinstance(value, dict):
        return {key: _pandas(x) for key, x in value.items()}
    if isinstance(value, list):
        return [_pandas(x) for x in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return float("nan") if value is None else value


DIALECTS = {"MATLAB": _matlab, "pandas": _pandas}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("edited", ["as it is", "limited"])
def test_dialects_are_read(dialect: str, edited: str) -> None:
    """An instance and a plan in a dialect keep their hash, with one warning each."""
    whole = tiny(energy_budget_mj=None if edited == "as it is" else 5000)
    text = json.dumps(DIALECTS[dialect](json.loads(json.dumps(whole.document()))))
    text = text.replace("1000.0", "1e3")
    with pytest.warns(files.DialectWarning, match="^it: .* MATLAB or pandas") as warned:
        read = instances.from_bytes(text.encode(), "it")
    assert len(warned) == 1
    assert read.sha256 == whole.sha256
    assert read.document() == whole.document()
    plan = best_plan(whole)
    text = json.dumps(DIALECTS[dialect](plan.document()))
    with pytest.warns(files.DialectWarning, match="^plan: "):
        assert plans.from_bytes(text.encode(), "plan") == plan


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("users", [1, 2])
def test_dialects_of_push_are_read(dialect: str, users: int) -> None:
    """So do those of the other problem, also where a matrix has one row."""
    whole = generate("push-tiny", seed=0, num_users=users)
    whole = replace(whole, contents=(), origin=None)
    text = json.dumps(DIALECTS[dialect](whole.document() | {"scenario": {}}))
    with pytest.warns(files.DialectWarning):
        read = push_instances.from_bytes(text.encode(), "it")
    assert read.sha256 == whole.sha256
    for push in (((0, 1, 2),), ((0, 1, 2), (0, 2, 3))):
        plan = PushPlan(whole.sha256, push)
        text = json.dumps(DIALECTS[dialect](plan.document()))
        with pytest.warns(files.DialectWarning):
            assert push_plans.from_bytes(text.encode()) == plan


@pytest.mark.parametrize(
    "edit",
    [
        _set("grid", to=3.5),
        _set("grid", to=2.0**60),
        _set("grid", to=float("nan")),
        _set("grid", to=None),
        _set("grid", to="3"),
        _set("scenario", to={"a": float("nan")}),
        _set("links", 0, to=[0.5]),
    ],
)
def test_what_is_unclear_is_refused(edit: Edit) -> None:
    """A number that is no integer, or NaN where something has to be, is no dialect."""
    document = _document()
    edit(document)
    with pytest.raises(InputError):
        instances.from_bytes(json.dumps(document).encode())


def test_what_is_wrong_in_a_dialect_is_named() -> None:
    """A fault is not blamed on what is merely written in another way."""
    document = _document() | {"version": 1.0, "start": 0.5}
    with pytest.raises(InputError, match=r"^it: start: Expected int, got float"):
        instances.from_bytes(json.dumps(document).encode(), "it")


def test_newer_versions_are_called_newer() -> None:
    """A file of a newer version says that a newer program wrote it."""
    document = _document() | {"version": 99}
    with pytest.raises(InputError, match="version: expected 1 or 2, found 99; a newer opt-istn"):
        instances.from_bytes(json.dumps(document).encode())


BAD_TEXTS = {
    "empty": b"",
    "nothing": b"null",
    "list": b"[]",
    "text": b"hello",
    "nan": b'{"format":"opt-istn/jutap","version":NaN}',
    "infinite": b'{"format":"opt-istn/jutap","version":1e999}',
    "not UTF-8": b'{"format":"\xff","version":1}',
    "lone surrogate": b'{"format":"\\ud800","version":1}',
    "deep": b'{"format":"opt-istn/jutap","version":1,"scenario":' + b"[" * 200_000,
    "huge number": b'{"format":"opt-istn/jutap","version":' + b"9" * 100_000 + b"}",
    "cut": b'{"format":"opt-istn/jutap","vers',
    "binary": bytes(range(256)),
    "cut gzip": gzip.compress(b"{}" * 1000)[:-9],
    "damaged gzip": b"\x1f\x8b" + b"\0" * 50,
    "lying gzip": gzip.compress(b"x" * 1000)[:-8] + b"\0" * 8,
}


@pytest.mark.parametrize("kind", BAD_TEXTS)
def test_bad_texts_are_refused(kind: str, tmp_path: Path) -> None:
    """What is no JSON document of ours is refused in one line that names the file."""
    file = tmp_path / "bad.json"
    file.write_bytes(BAD_TEXTS[kind])
    with pytest.raises(InputError) as caught:
        instances.read(file)
    text = str(caught.value)
    assert text.startswith(str(file))
    assert "\n" not in text


def _edited(old: str, new: str) -> bytes:
    text = json.dumps(_document(), separators=(",", ":"))
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"grid":3', '"grid":3,"grid":3', "grid"),
        ('"grid":3', '"grid":3,"gr\\u0069d":4', "grid"),
        ('"hole":200', '"hole":200,"hole":0', "hole"),
        ('"scenario":{}', '"scenario":{"a":{"b":1,"b":2}}', "b"),
    ],
)
def test_duplicate_keys_are_refused(old: str, new: str, key: str) -> None:
    """An object with two equal keys means two things, so it is refused."""
    with pytest.raises(InputError, match=f"{key}: expected once"):
        instances.from_bytes(_edited(old, new))


def test_equal_keys_of_different_objects_are_fine() -> None:
    """The same key in different objects is no duplicate."""
    new = '"scenario":{"grid":1,"a":{"grid":2,"x\\"y":":"}}'
    assert instances.from_bytes(_edited('"scenario":{}', new)).scenario["grid"] == 1


def test_an_object_of_many_keys_takes_linear_work() -> None:
    """That none of 100,000 keys occurs twice is seen in about a second, not in hours."""
    many = {f"k{i}": 0 for i in range(100_000)} | {"inner": {"k0": 1}}
    data = _edited('"scenario":{}', f'"scenario":{json.dumps(many)}')
    begin = time.process_time()
    assert len(instances.from_bytes(data).scenario) == 100_001
    assert time.process_time() - begin < 20


@pytest.mark.parametrize("path", ["nowhere.json", "", "a\0b.json", "x" * 5000, "/", "\ud800"])
def test_unreadable_paths_are_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is missing, a folder, too long or no path at all is an input error."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        files.read_bytes(path)


@pytest.mark.parametrize("path", ["nowhere/a.json", "", "a\0b.json", "x" * 5000, "/", "a/"])
def test_unwritable_paths_are_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that cannot be written is an input error and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        files.write_bytes(path, b"{}")
    assert [file.name for file in tmp_path.rglob("*")] == ["a"]


def test_pipes_can_be_read(tmp_path: Path) -> None:
    """A named pipe, which can be opened but once, is read like a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(b"{}"),))
    writer.start()
    assert files.read_bytes(pipe) == b"{}"
    writer.join()


def test_too_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small gzip file that expands beyond the limit is refused."""
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * 10_000))
    with pytest.raises(InputError, match="at most 1000 bytes"):
        files.read_bytes(tmp_path / "bomb.gz")
    (tmp_path / "large").write_bytes(b"0" * 1001)
    with pytest.raises(InputError, match="at most 1000 bytes"):
        files.read_bytes(tmp_path / "large")


def _traced(action: Callable[[], Any]) -> int:
    """Return the most bytes that an action which refuses its input has taken."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_large_inputs_are_refused_before_they_take_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gzip file that expands a thousandfold, and endless devices, take next to no memory."""
    monkeypatch.setattr(files, "MAX_BYTES", 100 << 20)
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(110 << 20), 9))
    assert bomb.stat().st_size < 1 << 20
    for path in (bomb, "/dev/zero", "/dev/urandom", "/dev/full", "/dev/null"):
        assert _traced(lambda path=path: files.read_bytes(path)) < 5 << 20


def test_endless_pipes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe without an end is read up to a limit."""
    monkeypatch.setattr(files, "MAX_STREAM_BYTES", 1 << 20)
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
        with pytest.raises(InputError, match="at most 1048576 bytes"):
            files.read_bytes(f"/dev/fd/{endless.stdout.fileno()}")
        endless.stdout.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"num_users": 300, "num_contents": 300}, "num_contents"),
        ({"num_users": 300, "num_slots": 1000}, "num_slots"),
        ({"num_contents": 300, "num_slots": 1000}, "num_slots"),
    ],
)
def test_tables_beyond_memory_are_refused(
    changes: dict[str, int], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file of a problem whose tables would fill the memory is refused by its counts."""
    whole = generate("push-tiny", seed=0).document()
    monkeypatch.setattr(push_instances, "MAX_PAIRS", 10_000)
    monkeypatch.setattr(push_instances, "Instance", None)  # it must not come to that
    document = whole | {"requests": [], "contents": [], "miss_us": [], **changes}
    users, contents = document["num_users"], document["num_contents"]
    document["cache_size"] = [1] * users
    document["roi"] = document["link_up"] = [[]] * users
    document["release"] = document["cluster"] = [0] * contents
    with pytest.raises(InputError, match=f"^{field}: expected at most 10000"):
        push_instances.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_round_trip(name: str, tmp_path: Path) -> None:
    """What is written is read back with the same hash, compressed or not, in equal bytes."""
    tiny().write(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    again = instances.read(tmp_path / name)
    again.write(tmp_path / name)
    assert again.sha256 == tiny().sha256
    assert (tmp_path / name).read_bytes() == first


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_failed_writing_leaves_the_old_file(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing fails at any step, the old content is whole and no temporary file is left."""

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(InputError, match="No space left"):
        files.write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_an_interrupt_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    """An interrupt in the middle of writing leaves the old content and nothing else."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        files.write_through(file, write)
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("links", [0, 1, 2])
def test_links_are_followed(links: int, tmp_path: Path) -> None:
    """What a link leads to is replaced, or made; the link stays one."""
    target, path = tmp_path / "a.json", tmp_path / "a.json"
    (tmp_path / "deep").mkdir()
    for i in range(links):
        link = tmp_path / "deep" / f"link{i}.json"
        link.symlink_to(os.path.relpath(path, link.parent))
        path = link
    for text in (b"new", b"newer"):
        files.write_bytes(path, text)
        assert target.read_bytes() == path.read_bytes() == text
    assert target.is_file()
    assert not target.is_symlink()
    assert path.is_symlink() == bool(links)
    assert len(list(tmp_path.rglob("*.json"))) == 1 + links


def test_circles_of_links_are_refused(tmp_path: Path) -> None:
    """A link that leads to itself cannot be written, and stays."""
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop.name)
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        files.write_bytes(loop, b"{}")
    assert loop.is_symlink()


@pytest.mark.parametrize("linked", [False, True])
def test_pipes_are_written_into(linked: bool, tmp_path: Path) -> None:
    """The reader of a named pipe gets the content; the pipe stays one."""
    pipe, path, got = tmp_path / "pipe.gz", tmp_path / "pipe.gz", list[bytes]()
    os.mkfifo(pipe)
    if linked:
        path = tmp_path / "link.gz"
        path.symlink_to(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    files.write_bytes(path, b"{}" * 100_000)
    reader.join(20)
    assert [gzip.decompress(data) for data in got] == [b"{}" * 100_000]
    assert pipe.is_fifo()
    assert path.is_symlink() == linked


def test_devices_are_written_into(tmp_path: Path) -> None:
    """A device node is written into, never replaced; one that is full is named."""
    null = tmp_path / "null"
    null.symlink_to("/dev/null")  # a root user could replace the node itself
    before = Path("/dev/null").stat()
    for path in ("/dev/null", null):
        files.write_bytes(path, b"{}")
        assert os.path.samestat(Path(path).stat(), before)
    assert null.is_symlink()
    with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space left"):
        files.write_bytes("/dev/full", b"{}")


def test_standard_output_goes_on_after_a_file(tmp_path: Path) -> None:
    """What is written to ``/dev/stdout`` and what is printed both arrive, in order."""
    code = (
        "import sys; from opt_istn import files; print('a'); "
        "files.write_bytes('/dev/stdout', b'b\\n'); print('c')"
    )
    for out in (tmp_path / "out.txt", None):
        with open(out, "wb") if out else nullcontext(subprocess.PIPE) as stream:
            done = subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
        assert (out.read_bytes() if out else done.stdout) == b"a\nb\nc\n"


def test_writing_keeps_the_mode(tmp_path: Path) -> None:
    """A replaced file keeps its permissions, a new one gets the usual ones."""
    file = tmp_path / "a.json"
    files.write_bytes(file, b"1")
    assert file.stat().st_mode & 0o777 == 0o666 & ~placing.umask()
    file.chmod(0o600)
    files.write_bytes(file, b"2")
    assert file.stat().st_mode & 0o777 == 0o600
