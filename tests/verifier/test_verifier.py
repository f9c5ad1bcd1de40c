"""The verifier accepts true bounds, proves no more than the truth, and refuses what is broken."""

import ast
import copy
import gzip
import io
import json
import os
import random
import subprocess
import sys
import time
import tokenize
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formulations.jutap.prove import prove as prove_jutap
from formulations.push.proof.prove import prove as prove_push
from opt_istn import verifier
from opt_istn.push.instance import Instance as PushInstance
from opt_istn.solver import Budget
from opt_istn.testing import jutap, push
from tests.proving import prove_user

Document = dict[str, Any]
MUTANTS = int(os.environ.get("OPT_ISTN_MUTANTS", "600"))
SOURCE = Path(verifier.__file__)


def plain(document: Any) -> Any:
    """Return a document as a stranger would read it from its file."""
    return json.loads(json.dumps(document))


def proven_jutap(index: int) -> tuple[Document, Document, Any]:
    instance = jutap.draw(7, index)
    certificate, _ = prove_jutap(instance, Budget())
    return plain(instance.document()), plain(certificate), jutap.truth(instance)


def proven_push(index: int) -> tuple[Document, Document, Any]:
    instance = push.draw(11, index)
    document = plain(instance.document())
    users = []
    total = 0
    for u, rows in enumerate(verifier.requests_by_user(document)):
        user = verifier.User(document, u, rows)
        proof = prove_user(user, user.base)
        users.append({"denominator": proof.denominator, "tree": proof.tree})
        total += proof.bound_us
    head = {"format": "opt-istn/certificate", "version": 1, "instance": instance.sha256}
    certificate = {**head, "kind": "dual-tree", "claim": {"bound": total}, "users": users}
    return document, plain(certificate), push.truth(instance)


@pytest.mark.parametrize("make", [proven_jutap, proven_push])
def test_true_outcomes_are_certified_and_nothing_above_them(make: Any) -> None:
    """What brute force finds is accepted; a bound one higher never is."""
    kinds = Counter()
    for index in range(44):
        document, certificate, truth = make(index)
        proven = verifier.check(document, certificate)
        kinds[proven["kind"]] += 1
        if "bound" in proven:
            assert proven["bound"] == truth.cost
            certificate["claim"]["bound"] += 1
            with pytest.raises(verifier.Refused):
                verifier.check(document, certificate)
        else:
            assert str(truth.status) in proven
    assert set(kinds) in ({"potential", "labels", "walk"}, {"dual-tree"})


def test_a_plan_of_equal_cost_is_priced_like_the_judge_does() -> None:
    """The verifier's replay, the truth and the producer's plan agree."""
    for index in range(4):
        instance = push.draw(11, index)
        certificate, plan = prove_push(instance, Budget(threads=1))
        document = plain(instance.document())
        bound = verifier.check(document, plain(certificate))["bound"]
        assert bound == verifier.cost_of(document, plain(plan.document()))
        assert bound == push.truth(instance).cost


def canonical_point(user: verifier.User, lives: dict[int, tuple[int, float]]) -> Document:
    """Return the values of all variables that belong to a user's replayed plan."""
    claims = {}
    for f, (slot, end) in lives.items():
        served = [k for k in user.asked.get(f, ()) if slot <= k < end]
        if served and (slot, f) in user.positions:
            claims[slot, f] = served[-1]
    point: Document = {verifier.ONE: 1}
    latest = -1
    for p in user.positions:
        latest = max(latest, claims.get(p, -1))
        for k in range(p[0] + 1, user.asked[p[1]][-1] + 1):
            point["reach", *p, k] = int(latest >= k)
        for k in range(p[0] + 1, 200):
            held = p in claims and latest >= k
            point["kept", *p, k] = int(held and claims[p] < k)
        for e in user.asked[p[1]]:
            if e >= p[0]:
                point["z", *p, e] = int(claims.get(p) == e)
    return point


def useful_lives(user: verifier.User, pushes: list[tuple[int, int]]) -> dict[int, Any]:
    """Replay a cache after taking away, again and again, pushes that serve no request."""
    while True:
        order = sorted(pushes)
        ends = [slot for slot, _ in order[user.size :]] + [10**6] * user.size
        lives = {f: (s, e) for (s, f), e in zip(order, ends, strict=False)}
        kept = [
            (s, f) for f, (s, e) in lives.items() if any(s <= k < e for k in user.asked.get(f, ()))
        ]
        if len(kept) == len(pushes):
            return lives
        pushes = kept


def random_pushes(instance: PushInstance, u: int, rng: np.random.Generator) -> Any:
    pushable = instance.pushable(u)
    share = rng.choice([0.3, 0.7, 1.0])
    return [
        (int(rng.choice(np.flatnonzero(row))), f)
        for f, row in enumerate(pushable)
        if row.any() and rng.random() < share
    ]


def random_rows(user: verifier.User, rng: random.Random) -> list[list[Any]]:
    """Return rows of all families, also at places that are no positions."""
    contents = [f for f, slots in user.starts.items() if slots]
    last = max(user.asked[f][-1] for f in contents) + 1
    rows: list[list[Any]] = [["ONCE", f] for f in contents]
    rows += [["COVER", k] for k in range(last + 1)]
    for _ in range(120):
        s, f, k = rng.randrange(last + 1), rng.choice(contents), rng.randrange(last + 1)
        rows += [[family, s, f, k] for family in ("REACH", "CARRY", "FIFO")]
        a, b, k = sorted(rng.randrange(last + 1) for _ in range(3))
        if b < k:
            rows.append(["LEAVE", f, a, b, k])
        ends = {g: rng.randrange(last + 1) for g in rng.sample(contents, min(3, len(contents)))}
        listed = [x for g, t in ends.items() if (t, g) > (s, f) and t <= k for x in (t, g)]
        if s <= k:
            rows.append(["COVER_GIVEN", k, s, f, *listed])
    return rows


def test_canonical_points_of_plans_satisfy_every_row() -> None:
    """What the verifier takes for granted: no row cuts off a plan, and costs are those."""
    tight, families = Counter(), set()
    for index in range(40):
        instance = push.draw(13, index)
        document = plain(instance.document())
        rng = np.random.default_rng(index)
        for u, requests in enumerate(verifier.requests_by_user(document)):
            user = verifier.User(document, u, requests)
            if not user.positions:
                continue
            rows = random_rows(user, random.Random(index))
            for _ in range(4):
                lives = useful_lives(user, random_pushes(instance, u, rng))
                point = canonical_point(user, lives)
                for name in rows:
                    row = user.row(name)
                    value = sum(factor * point.get(v, 0) for v, factor in row.items())
                    assert value <= 0, (index, u, name, lives)
                    families.add(name[0])
                    tight[name[0]] += value == 0
                gains = sum(user.gain(*v[1:]) for v, x in point.items() if v[0] == "z" and x)
                saved = sum(
                    min(d for d in delays if d is not None)
                    for _, f, t, *delays in requests
                    if f in lives and lives[f][0] <= t < lives[f][1]
                )
                assert gains == saved
                for question in (["served", f, k] for f in user.starts for k in user.asked[f]):
                    assert sum(point.get(v, 0) for v in user.question(question)) in (0, 1)
    assert families == set(user.ROWS)
    assert all(tight[family] for family in families)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a document."""
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [path, *(p for key, value in items for p in places(value, (*path, key)))]


def mutate(document: Document, rng: random.Random) -> Document:
    """Return a copy with one thing changed: a number, a dropped or swapped part, a sign."""
    changed = copy.deepcopy(document)
    paths = [p for p in places(changed) if p and p[0] != "instance"]
    *way, key = rng.choice(paths)
    owner = changed
    for step in way:
        owner = owner[step]
    value = owner[key]
    kind = rng.randrange(6)
    if isinstance(value, int) and kind < 5:
        owner[key] = rng.choice([value + 1, value - 1, -value, 0, 10**30, -(10**30), 2**63, 7.5])
    elif isinstance(owner, list) and kind < 3:
        other = rng.randrange(len(owner))
        owner[key], owner[other] = owner[other], owner[key]
    elif kind < 5:
        del owner[key]
    else:
        owner[key] = rng.choice([None, "x", [], {}, True, [[]], {"bound": 1}, value])
    return changed


@pytest.mark.parametrize(
    "mutants", [MUTANTS // 2, pytest.param(5000, marks=pytest.mark.slow, id="5000")]
)
@pytest.mark.parametrize("make", [proven_jutap, proven_push])
def test_no_mutant_proves_more_than_is_true(make: Any, mutants: int) -> None:
    """A changed certificate is refused with a sentence, or proves something that holds.

    So is another instance's. Whatever was changed, the answer takes less than a second.
    """
    rng = random.Random(5)
    known = [make(index) for index in range(22)]
    sentences = set()
    longest = 0.0
    for _ in range(mutants):
        document, certificate, truth = rng.choice(known)
        changed = mutate(certificate, rng) if rng.random() < 0.97 else rng.choice(known)[1]
        began = time.process_time()
        try:
            proven = verifier.check(document, changed)
        except verifier.Refused as refused:
            sentences.add(str(refused))
            continue
        finally:
            longest = max(longest, time.process_time() - began)
        if "bound" in proven and truth.status != "infeasible":  # no plan costs less than anything
            assert truth.cost is not None
            assert proven["bound"] <= truth.cost
        elif "bound" not in proven:
            assert str(truth.status) in proven
    assert all(sentences)
    assert len(sentences) > 20
    assert longest < 1


def test_no_choice_of_rows_proves_more_than_is_true() -> None:
    """Leaves with other rows of all families, and any multipliers: each bound still holds."""
    rng = random.Random(9)
    known = []
    for index in range(22):
        document, certificate, _ = proven_push(index)
        for u, rows in enumerate(verifier.requests_by_user(document)):
            user, proof = verifier.User(document, u, rows), certificate["users"][u]
            if user.positions:
                best = verifier.user_bound(user, proof["tree"], proof["denominator"])
                known.append((user, random_rows(user, rng), proof, best))
    met = 0
    for _ in range(MUTANTS):
        user, rows, proof, best = rng.choice(known)
        tree, scale = copy.deepcopy(proof["tree"]), proof["denominator"]
        leaf = tree
        while leaf[0] == "ask":
            leaf = leaf[rng.choice((2, 3))]
        if leaf[1:] and rng.random() < 0.7:
            leaf[rng.randrange(1, len(leaf))][0] = rng.choice(rows)
        largest = max([1, *(y for _, y in leaf[1:])])
        leaf += [[rng.choice(rows), rng.randint(1, largest)] for _ in range(rng.randrange(3))]
        try:
            found = verifier.user_bound(user, tree, scale)
        except verifier.Refused:  # "empty" is shown no more
            continue
        assert found <= best
        met += found == best
    assert met > MUTANTS / 20  # some rows cost nothing, so the others are not idle either


def test_another_instances_certificate_is_refused() -> None:
    """Hashes bind a certificate to its instance, and unknown fields are not overlooked."""
    (one, certificate, _), (other, _, _) = proven_jutap(0), proven_jutap(1)
    with pytest.raises(verifier.Refused, match="another one"):
        verifier.check(other, certificate)
    with pytest.raises(verifier.Refused, match="not known here"):
        verifier.check({**one, "wind": 3}, certificate)


def test_it_runs_alone(tmp_path: Path) -> None:
    """Copied into an empty folder and run without our packages, it answers and exits."""
    script = tmp_path / "verifier.py"
    script.write_text(SOURCE.read_text())
    instance = push.draw(11, 3)
    certificate, plan = prove_push(instance, Budget(threads=1))
    names = ("instance", "certificate", "plan")
    for name, document in zip(names, (instance, None, plan), strict=True):
        text = json.dumps(certificate if document is None else document.document())
        (tmp_path / f"{name}.json").write_text(text)
    block = "import sys; sys.modules.update({m: None for m in ('opt_istn', 'scipy', 'msgspec')});"
    run = f"{block} import runpy; sys.argv = ['v', *{[f'{n}.json' for n in names]!r}];"
    command = [sys.executable, "-c", f"{run} runpy.run_path('verifier.py', run_name='__main__')"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    cost = certificate["claim"]["bound"]
    assert answer.stdout == (
        f"accepted (dual-tree): no plan costs less than {cost}\nthe plan costs {cost}: optimal\n"
    )


def test_examples_worked_by_hand() -> None:
    """The two examples of docs/certificates.md hold, and not by one more."""
    cost = dict.fromkeys(
        ("mbs_to_mbs", "geo_to_mbs", "mbs_to_geo", "geo_stay", "hole_to_mbs", "hole_to_geo"), 0
    )
    grid = {
        "format": "opt-istn/jutap", "version": 1, "grid": 2, "num_mbs": 1, "start": 0, "end": 3,
        "start_link": 0, "links": [[0]] * 4, "strongest": [0] * 4, "energy_mj": [1, 1],
        "cost": {**cost, "hole": 0, "move": [7, 10]}, "energy_budget_mj": None, "cell_m": 1.0,
        "association": "full",
    }  # fmt: skip
    cache = {
        "format": "opt-istn/push", "version": 1, "num_users": 1, "num_contents": 2, "num_slots": 2,
        "slot_s": 1.0, "cache_size": [1], "release": [0, 0], "cluster": [0, 0], "roi": [[0, 1]],
        "link_up": [[1, 1]], "requests": [[0, 0, 1, None, None, 5], [0, 1, 1, None, None, 3]],
        "contents": [],
    }  # fmt: skip
    tree = ["least", [["COVER", 1], 5]]
    proofs: list[tuple[Document, Document, int]] = [
        (grid, {"kind": "potential", "h": [10, 7, 7, 0]}, 10),
        (cache, {"kind": "dual-tree", "users": [{"denominator": 1, "tree": tree}]}, 3),
    ]
    for instance, body, bound in proofs:
        head = {"format": "opt-istn/certificate", "version": 1}
        head["instance"] = verifier.sha256(instance)
        certificate = {**head, **body, "claim": {"bound": bound}}
        assert verifier.check(instance, certificate)["bound"] == bound
        with pytest.raises(verifier.Refused, match="above"):
            verifier.check(instance, {**certificate, "claim": {"bound": bound + 1}})


def test_sums_of_lengths_are_exact_whatever_the_instance_says() -> None:
    """Energies beyond 64 bits, which no reader of ours takes, do not wrap around to a bound."""
    cost = dict.fromkeys(
        ("mbs_to_mbs", "geo_to_mbs", "mbs_to_geo", "geo_stay", "hole_to_mbs", "hole_to_geo"), 0
    )
    instance = {
        "format": "opt-istn/jutap", "version": 1, "grid": 2, "num_mbs": 1, "start": 0, "end": 3,
        "start_link": 0, "links": [[0], [], [], [0]], "strongest": [0, 1, 1, 0],
        "cost": {**cost, "hole": 0, "move": [7, 10], "enter": [0, 0, 0, -11]},
        "energy_mj": [-(2**63), -(2**63)], "energy_budget_mj": 0, "cell_m": 1.0,
        "association": "full",
    }  # fmt: skip
    sha256 = verifier.sha256(instance)
    plan = {"format": "opt-istn/jutap-plan", "version": 1, "instance": sha256}
    assert verifier.cost_of(instance, {**plan, "cells": [0, 3], "links": [0, 0]}) == -1
    certificate = {
        "format": "opt-istn/certificate", "version": 1, "instance": sha256, "kind": "labels",
        "claim": {"bound": 100}, "tables": [{"q": 1, "p": 1, "h": [200, 0]}], "labels": [],
    }  # fmt: skip
    with pytest.raises(verifier.Refused, match="length"):
        verifier.check(instance, certificate)


def test_a_small_file_that_unpacks_to_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing beyond 2^30 bytes is kept: whoever runs the verifier alone keeps his memory."""
    asked: list[int] = []

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert size >= 0
            asked.append(size)
            return b" "

    monkeypatch.setattr(gzip, "open", lambda *_: Endless())
    assert verifier.main([str(tmp_path / "bomb.json.gz"), "certificate.json"]) == 1
    assert capsys.readouterr().out.endswith("expected at most 2^30 bytes, decompressed\n")
    assert asked == [2**30, 1]


def lines_of_code(text: str) -> set[int]:
    """Return the lines of a module without docstrings, comments and blank lines."""
    kinds = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER", "ENCODING"}
    code: set[int] = set()
    for token in tokenize.tokenize(io.BytesIO(text.encode()).readline):
        if tokenize.tok_name[token.type] not in kinds:
            code |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            said = node.body[0]
            code -= set(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    return code


def test_there_is_little_to_read_for_one_certificate() -> None:
    """What checks a certificate of one problem is less than 300 lines of code."""
    text = SOURCE.read_text()
    code = lines_of_code(text)
    parts = {"files and entry": 0, "JUTAP": 0, "PUSH": 0}
    part = "files and entry"
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# ----"):
            part = line.strip("# -")
        if line.startswith("def main("):
            part = "files and entry"
        parts[part] += number in code
    assert all(parts.values())
    assert parts["files and entry"] + parts["JUTAP"] < 300
    assert parts["files and entry"] + parts["PUSH"] < 300
