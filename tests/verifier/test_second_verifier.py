"""Two verifiers, written apart, agree on every certificate, and neither is fooled."""

import copy
import gzip
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opt_istn import problems, verifier
from tests.verifier import second_push, second_verifier
from tests.verifier.test_verifier import mutate, proven_jutap, proven_push

Document = dict[str, Any]
Case = tuple[Document, Document, Any]
MUTANTS = int(os.environ.get("OPT_ISTN_MUTANTS", "600"))
FAMILIES = {"ONCE": 1, "COVER": 1, "REACH": 3, "CARRY": 3, "FIFO": 3, "LEAVE": 4, "COVER_GIVEN": 7}
REFUSED = "refused"


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Return (instance, certificate, truth) of every sort that the families draw."""
    return [proven_jutap(i) for i in range(54)] + [proven_push(i) for i in range(16)]


def first_verdict(instance: Document, certificate: Document) -> int | str:
    try:
        proven = verifier.check(instance, certificate)
    except verifier.Refused:
        return REFUSED
    return next(value if key == "bound" else key for key, value in proven.items() if key != "kind")


def second_verdict(instance: Document, certificate: Document) -> int | str:
    try:
        return second_verifier.check(instance, certificate)
    except second_push.Refused:
        return REFUSED


def loose(document: Any) -> bool:
    """Whether a mutant has "" or {} where a list belongs: nothing to go through all the same.

    Such a certificate proves what it would with []. The second verifier refuses it.
    """
    todo = [document]
    while todo:
        value = todo.pop()
        if value in ("", {}):
            return True
        if isinstance(value, dict):
            todo += value.values()
        todo += value if isinstance(value, list) else []
    return False


def holds(verdict: int | str, truth: Any) -> bool:
    """Whether what a verifier accepted is true."""
    if type(verdict) is str:
        return verdict in (REFUSED, str(truth.status))
    return truth.cost is not None and verdict <= truth.cost


def test_both_accept_what_the_provers_write_and_nothing_above_it(cases: list[Case]) -> None:
    """The same verdict, which is the truth of brute force; one more is refused by both."""
    kinds = set()
    for instance, certificate, truth in cases:
        verdict = first_verdict(instance, certificate)
        assert verdict == second_verdict(instance, certificate)
        assert verdict == (str(truth.status) if truth.cost is None else truth.cost)
        kinds.add((certificate["kind"], *certificate["claim"]))
        if truth.cost is not None:
            above = {**certificate, "claim": {"bound": truth.cost + 1}}
            assert first_verdict(instance, above) == second_verdict(instance, above) == REFUSED
    assert kinds == {
        *itertools.product(("potential", "labels"), ("bound", "infeasible")),
        ("walk", "unbounded"),
        ("dual-tree", "bound"),
    }


def test_both_say_the_same_of_mutants_and_nothing_false(cases: list[Case]) -> None:
    """Of certificates changed in one or two places."""
    rng, accepted, refused = random.Random(17), 0, 0
    for _ in range(MUTANTS):
        instance, certificate, truth = rng.choice(cases)
        for _ in range(rng.choice((1, 1, 2))):
            certificate = mutate(certificate, rng)
        one, other = first_verdict(instance, certificate), second_verdict(instance, certificate)
        assert holds(one, truth)
        assert holds(other, truth)
        assert one == other or loose(certificate), (certificate, one, other)
        accepted, refused = accepted + (one != REFUSED), refused + (one == REFUSED)
    assert min(accepted, refused) > MUTANTS // 20


def small_user(rng: random.Random) -> Document:
    """Return a PUSH instance of one user, small enough to try all its plans."""
    contents, slots = rng.randint(1, 4), rng.randint(1, 5)
    release = sorted(rng.randrange(max(1, slots - 1)) for _ in range(contents))
    share = rng.choice((0.3, 0.6))
    requests = [
        [0, f, t, None, None, rng.randint(0, 9)]
        for f in range(contents)
        for t in range(release[f], slots)
        if rng.random() < share
    ]
    return {
        "format": "opt-istn/push", "version": 1, "num_users": 1, "num_contents": contents,
        "num_slots": slots, "slot_s": 1.0, "cache_size": [rng.randint(1, 4)], "release": release,
        "cluster": [0] * contents, "requests": requests, "contents": [],
        "roi": [sorted(rng.sample(range(contents), rng.randint(contents - 1, contents)))],
        "link_up": [[int(rng.random() < 0.85) for _ in range(slots)]],
    }  # fmt: skip


def claims_of(user: second_push.User, pushes: list[tuple[int, int]]) -> tuple[Document, int]:
    """Return {push: last slot served} of the canonical plan, and what it saves."""
    while True:
        served: dict[Any, list[int]] = {p: [] for p in pushes}
        cache: list[tuple[int, int]] = []
        for slot in range(10):
            for p in sorted(p for p in pushes if p[0] == slot):
                cache = [*cache, p][-user.places :]
            for p in cache:
                served[p] += [slot] if slot in user.misses.get(p[1], {}) else []
        if all(served.values()):
            saved = sum(user.misses[p[1]][t] for p, slots in served.items() for t in slots)
            return {p: slots[-1] for p, slots in served.items()}, saved
        pushes = [p for p in pushes if served[p]]


def value(claims: Document, variable: Any) -> int:
    """Return a variable's value at a canonical point, from its definition."""
    if variable in (None, verifier.ONE):
        return 1
    kind, s, f, k = variable
    if kind == "z":
        return int(claims.get((s, f)) == k)
    reach = int(k <= s or any(e >= k for p, e in claims.items() if p <= (s, f)))
    if kind == "reach":
        return reach
    return reach * int((s, f) in claims and claims[s, f] < k)


def random_row(user: second_push.User, rng: random.Random) -> list[Any]:
    """Return a row's name with indices of positions, and of what is none."""
    family = rng.choice([*FAMILIES])
    at = [rng.randint(-2, 7) for _ in range(FAMILIES[family])]
    if family == "COVER_GIVEN":
        at = at[: rng.choice((3, 5, 7))]
    if user.positions and rng.random() < 0.7:
        pairs = {"COVER_GIVEN": 1, "REACH": 0, "CARRY": 0, "FIFO": 0}
        for i in range(pairs.get(family, len(at)), len(at) - 1, 2):
            at[i : i + 2] = rng.choice(user.positions)
        if family == "LEAVE":
            s, f = rng.choice(user.positions)
            at = [f, s - rng.randint(0, 1), s + rng.randint(0, 2), s + rng.randint(0, 4)]
    return [family, *at]


def both_rows(user: second_push.User, twin: verifier.User, name: list[Any]) -> list[Document]:
    """Return the row by each verifier, of those that do not refuse it."""
    rows = []
    try:
        rows.append(user.row(name[0], name[1:]))
    except second_push.Refused:
        assert name[0] in ("LEAVE", "COVER_GIVEN")
    try:
        rows.append(dict(twin.row(name)))
    except (verifier.Refused, KeyError):
        assert not rows or name[0] != "COVER"
    return rows


def test_no_row_cuts_off_a_plan() -> None:
    """Of all plans of small users, at indices of every sort; and both write the same rows."""
    rng, tight = random.Random(3), set()
    for _ in range(60):
        instance = small_user(rng)
        user = second_push.User(instance, 0)
        twin = verifier.User(instance, 0, instance["requests"])
        names = [random_row(user, rng) for _ in range(40)]
        rows = []
        for name in names:
            pair = both_rows(user, twin, name)
            plain = [
                {None if v == verifier.ONE else v: a for v, a in row.items() if a} for row in pair
            ]
            assert len(plain) < 2 or plain[0] == plain[1], name
            rows += [(name, row) for row in plain]
        slots = [[None, *(s for s, g in user.allowed if g == f)] for f in user.contents]
        plans = [*itertools.product(*slots)]
        for plan in rng.sample(plans, min(len(plans), 60)):
            pushes = [(s, f) for f, s in enumerate(plan) if s is not None]
            claims, saved = claims_of(user, pushes)
            assert user.base - saved <= user.serve(pushes)
            for name, row in rows:
                total = sum(a * value(claims, v) for v, a in row.items())
                assert total <= 0, (instance, name, claims)
                tight |= {name[0]} if total == 0 else set()
    assert tight == set(FAMILIES)


def forged(cases: list[Case]) -> list[tuple[str, Document, Document, Any]]:
    """Return certificates made to fool or to stop a verifier, and what is true."""
    huge, out = 10**4000, []
    instance, certificate, truth = cases[54 + 3]
    f = next(f for u, f, *_ in instance["requests"] if u == 0 and f in instance["roi"][0])
    long = [[["COVER", 1], 1]] * 20000
    deep: list[Any] = ["least"]
    for _ in range(150):
        deep = ["ask", ["served", f, 0], ["least"], deep]
    trees = [
        deep,
        ["least", *long],
        ["least", [["COVER_GIVEN", 1, 0, -1, *([1, f] * 20000)], 1]],
        ["least", [["COVER", huge], huge]],
        ["least", [["REACH", huge, f, -huge], huge]],
        ["least", [["FIFO", -huge, f, huge], huge]],
        ["least", [["LEAVE", f, -huge, huge, 2 * huge], huge]],
        ["ask", ["pushed", 0, f], ["empty"], ["empty"]],
        ["ask", ["pushed", 99, f], ["empty"], ["least"]],
        ["ask", ["served", f, 0], ["empty", [["yes", 0], 1]], ["least"]],
        ["least", [["COVER", 1], -1]],
        ["least", [["COVER_GIVEN", 1, 1, f, 1, f], 10**9]],
        ["least", [["LEAVE", f, 1, 0, 5], 10**9]],
    ]
    for tree in trees:
        changed = copy.deepcopy(certificate)
        changed["users"][0]["tree"] = tree
        out.append((str(tree[0]), instance, changed, truth))
    for instance, certificate, truth in cases[:54]:
        if certificate["kind"] == "labels" and truth.cost is not None and certificate["labels"]:
            v = certificate["labels"][0][0]
            far = [[v, 10**7 - i, 10**7 + i] for i in range(3000)]
            out.append(
                ("labels", instance, {**certificate, "labels": certificate["labels"] + far}, truth)
            )
        if certificate["kind"] == "potential" and "h" in certificate:
            for more in (1, 2**61, 2**63, huge):
                h = [v if v in (None, 0) else v + more for v in certificate["h"]]
                claim = {"bound": truth.cost + more if truth.cost is not None else more}
                out.append(("h", instance, {**certificate, "h": h, "claim": claim}, truth))
    return out


def test_forged_certificates_neither_pass_nor_hang(cases: list[Case]) -> None:
    """Huge numbers, long lists, deep trees, rows in disorder: a true answer, soon."""
    made = forged(cases)
    assert {name for name, *_ in made} == {"ask", "least", "labels", "h"}
    for name, instance, certificate, truth in made:
        for verdict in (first_verdict, second_verdict):
            begin = time.process_time()
            assert holds(verdict(instance, certificate), truth), (name, verdict.__name__)
            assert time.process_time() - begin < 5, (name, verdict.__name__)


def test_odd_instances_get_the_same_hash_and_verdict(tmp_path: Path, cases: list[Case]) -> None:
    """Fields that no hash covers, the order of requests and nulls that say nothing change nothing.

    Those that no one knows change everything. Files are read as the commands read them.
    """
    for instance, certificate, _ in (cases[0], cases[-1]):
        said = first_verdict(instance, certificate)
        for more in (
            {"extra": {"x": [1.5]}},
            {"name": "other"},
            {"origin": None},
            {"scenario": {}},
        ):
            odd = {**instance, **more}
            assert verifier.sha256(odd) == second_verifier.digest(odd) == certificate["instance"]
            assert first_verdict(odd, certificate) == second_verdict(odd, certificate) == said
        if instance["format"] == "opt-istn/push":
            same = {"requests": instance["requests"][::-1], "miss_us": None}
        else:
            same = {"cost": {"enter": None, **instance["cost"]}}
        (tmp_path / "odd.json").write_text(json.dumps({**instance, **same}))
        odd = verifier.read(tmp_path / "odd.json")
        assert problems.read_instance(tmp_path / "odd.json").sha256 == certificate["instance"]
        assert verifier.sha256(odd) == second_verifier.digest(odd) == certificate["instance"]
        assert first_verdict(odd, certificate) == second_verdict(odd, certificate) == said
        odd = {**instance, "wind": 0}
        assert first_verdict(odd, certificate) == second_verdict(odd, certificate) == REFUSED


def test_fractions_in_an_instance_are_refused(cases: list[Case]) -> None:
    """Sums of floats are not exact: 1e308 twice is infinite, and any bound lies below that."""
    push = next(case for case in cases if case[0]["format"] == "opt-istn/push")
    jutap = next(case for case in cases if case[0]["format"] == "opt-istn/jutap")
    for (instance, certificate, _), name in ((push, "requests"), (jutap, "cost")):
        for value in (1e308, -0.9, 7.0, True):
            odd = copy.deepcopy(instance)
            field = odd[name][0] if name == "requests" else odd[name]["move"]
            field[-1] = value
            changed = {**certificate, "instance": verifier.sha256(odd)}
            assert first_verdict(odd, changed) == second_verdict(odd, changed) == REFUSED


def test_a_bound_that_is_no_integer_is_refused(cases: list[Case]) -> None:
    """Also where nothing is compared with it, as no walk reaches END."""
    instance = copy.deepcopy(next(x for x, *_ in cases if x["format"] == "opt-istn/jutap"))
    start = instance["start"]
    instance |= {"energy_budget_mj": 100, "end": next(c for c in range(99) if c != start)}
    instance["links"] = [row if c == start else [] for c, row in enumerate(instance["links"])]
    body = {"tables": [], "labels": [], "dead": list(range(len(instance["links"][start])))}
    head = {"format": "opt-istn/certificate", "version": 1, "kind": "labels"}
    certificate = {**head, **body, "instance": verifier.sha256(instance)}
    assert first_verdict(instance, {**certificate, "claim": {"bound": 7}}) == 7
    for bound in (None, "7", [7], {}):
        odd = {**certificate, "claim": {"bound": bound}}
        assert first_verdict(instance, odd) == second_verdict(instance, odd) == REFUSED


def test_a_refusal_is_one_line_whatever_a_certificate_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: list[Case]
) -> None:
    """No text of a certificate reaches the terminal as it is: it could say *accepted*."""
    files = [str(tmp_path / name) for name in ("instance.json", "certificate.json")]
    (jutap, walls, _), (push, trees, _) = cases[0], cases[-1]
    for said in ("x\naccepted (walk): ", "\x1b[2K\raccepted (walk): ", "\ud800"):
        odd = [(jutap, {**walls, "kind": said})]
        for tree in (["ask", said, [], []], ["least", [said, 1]], ["least", [said, -1]]):
            users = [{"denominator": 1, "tree": tree} for _ in trees["users"]]
            odd.append((push, {**trees, "users": users}))
        walk = {"kind": "walk", "cells": [jutap["start"]], "links": [said], "cycle": [0, 0]}
        odd.append((jutap, {**walls, **walk}))
        for documents in odd:
            for file, document in zip(files, documents, strict=True):
                Path(file).write_text(json.dumps(document))
            assert verifier.main(files) == 1
            _one_line(capsys.readouterr().out)


def _one_line(said: str) -> None:
    assert said.startswith("refused: ")
    assert said[:-1].isprintable()


def test_files_that_were_cut_off_are_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: list[Case]
) -> None:
    """A compressed file that ends too early, or whose first block is no block."""
    packed = gzip.compress(json.dumps(cases[0][1]).encode())
    for data in (packed[:-20], packed[:10] + b"\xff" * 9 + packed[19:]):
        file = tmp_path / "certificate.json.gz"
        file.write_bytes(data)
        assert verifier.main([str(file), str(file)]) == 1
        assert capsys.readouterr().out.startswith(f"refused: {file}: ")


@pytest.mark.parametrize(
    "tail",
    [
        ',"claim":{"bound":NaN}}',
        ',"claim":{"bound":Infinity}}',
        ',"claim":{"bound":-1e3}}',
        ',"x":' + "[" * 100000 + "]" * 100000 + "}",
        ',"claim":{"bound":' + "9" * 5000 + "}}",
        "",
    ],
)
def test_broken_files_are_refused_in_a_line(tail: str, tmp_path: Path, cases: list[Case]) -> None:
    """By the first verifier's command and the second's reader; exit code 1, no traceback."""
    instance, certificate, _ = cases[0]
    text = json.dumps(certificate)[:-1] + tail
    with pytest.raises(second_push.Refused):
        second_verifier.check(instance, second_verifier.read(text))
    files = [tmp_path / "instance.json", tmp_path / "certificate.json"]
    for file, words in zip(files, (json.dumps(instance), text), strict=True):
        file.write_text(words)
    command = [sys.executable, str(verifier.__file__), *map(str, files)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (1, "")
    assert answer.stdout.startswith("refused: ")


def test_both_replay_plans_alike() -> None:
    """All plans of small users, allowed or not, cost the same or are refused by both."""
    rng, costs = random.Random(9), set()
    for _ in range(60):
        instance = small_user(rng)
        head = {"format": "opt-istn/push-plan", "version": 1, "instance": verifier.sha256(instance)}
        for _ in range(10):
            contents = rng.sample(
                range(instance["num_contents"]), rng.randint(0, instance["num_contents"])
            )
            plan = {**head, "push": [[0, f, rng.randrange(-1, 6)] for f in contents]}
            answers: list[int | None] = []
            for replay, refusal in (
                (verifier.cost_of, verifier.Refused),
                (second_verifier.replay, second_push.Refused),
            ):
                try:
                    answers.append(replay(instance, plan))
                except refusal:
                    answers.append(None)
            assert answers[0] == answers[1]
            costs.add(answers[0])
    assert None in costs
    assert len(costs) > 10
