"""Planted falsehoods about the library's entries: what any verifier has to refuse."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from opt_istn import Budget, files, make, problems
from opt_istn.evidence import certificates
from opt_istn.library.shelf import Library, Wrong, WrongIndex

Edit = Callable[[dict[str, Any]], None]
PAPER, TIGHT = "jutap-paper-v2-0", "jutap-paper-k1.02-0"
CYCLE, LIMITED = "jutap-unbounded", "jutap-cycle-budget"
CACHE = "push-paper-v2-2"  # its certificate is small


def _higher(x: dict[str, Any]) -> None:
    x["claim"]["bound"] += 1


def _raised(x: dict[str, Any]) -> None:
    x["h"] = [h if h in (0, None) else h + 10**6 for h in x["h"]]
    x["claim"]["bound"] += 10**6


def _endless(x: dict[str, Any]) -> None:
    x["h"][0] = 10**400


def _fraction(x: dict[str, Any]) -> None:
    x["h"][0] = 0.5


def _short(x: dict[str, Any]) -> None:
    del x["h"][-1]


def _dead(x: dict[str, Any]) -> None:
    x |= {"dead": [0], "claim": {"infeasible": True}}


def _no_label(x: dict[str, Any]) -> None:
    x["labels"] = x["labels"][1:]


def _last_label(x: dict[str, Any]) -> None:
    x["labels"] = x["labels"][:-1]


def _negative_weight(x: dict[str, Any]) -> None:
    x["tables"][-1]["p"] *= -1


def _no_cycle(x: dict[str, Any]) -> None:
    x["cycle"][1] -= 1


def _jump(x: dict[str, Any]) -> None:
    del x["cells"][1], x["links"][1]


def _no_user(x: dict[str, Any]) -> None:
    x["users"] = x["users"][:-1]


def _ask(x: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the first user whose tree asks something, and that node."""
    user = next(user for user in x["users"] if user["tree"][0] == "ask")
    return user, user["tree"]


def _swapped(x: dict[str, Any]) -> None:
    node = _ask(x)[1]
    node[2], node[3] = node[3], node[2]


def _one_branch(x: dict[str, Any]) -> None:
    user, node = _ask(x)
    user["tree"] = node[3]


def _missing_branch(x: dict[str, Any]) -> None:
    del _ask(x)[1][3]


def _leaf(x: dict[str, Any]) -> list[Any]:
    node: list[Any] = x["users"][0]["tree"]
    while node[0] == "ask":
        node = node[2]
    return node


def _negative(x: dict[str, Any]) -> None:
    pair = _leaf(x)[1]
    pair[1] = -pair[1]


def _other_row(x: dict[str, Any]) -> None:
    _leaf(x)[1][0] = ["WISH", 0]


def _empty(x: dict[str, Any]) -> None:
    _leaf(x)[0] = "empty"


def _coarse(x: dict[str, Any]) -> None:
    x["users"][0]["denominator"] = 0


def _exchanged(x: dict[str, Any]) -> None:
    x["users"][0], x["users"][1] = x["users"][1], x["users"][0]


def _turned(x: dict[str, Any]) -> None:
    _leaf(x).append([["LEAVE", 0, 3, 2, 5], 1])


def _given_twice(x: dict[str, Any]) -> None:
    _leaf(x).append([["COVER_GIVEN", 5, 0, 0, 2, 1, 3, 1], 1])


def _two_claims(x: dict[str, Any]) -> None:
    x["claim"]["infeasible"] = True


def _endless_claim(x: dict[str, Any]) -> None:
    x["claim"] = {"unbounded": True}


def _no_plan(x: dict[str, Any]) -> None:
    x["claim"] = {"infeasible": True}


def _all_dead(x: dict[str, Any]) -> None:
    x["dead"] = list(range(len(x["tables"][0]["h"])))


def _remark(x: dict[str, Any]) -> None:
    x["remark"] = "believe me"


EDITS: tuple[tuple[str, str, Edit, str], ...] = (
    ("potential-above", PAPER, _higher, "it claims one more than h(START)"),
    ("potential-raised", PAPER, _raised, "values are raised beyond the arcs into END"),
    ("potential-endless", PAPER, _endless, "START's value has 400 digits"),
    ("potential-fraction", PAPER, _fraction, "a value is no integer"),
    ("potential-short", PAPER, _short, "a state has no value"),
    ("potential-dead", PAPER, _dead, "START is declared dead, but it has successors"),
    ("labels-above", TIGHT, _higher, "it claims one more than the optimum"),
    ("labels-no-start", TIGHT, _no_label, "START's label is missing"),
    ("labels-dropped", TIGHT, _last_label, "a label is missing whose successors are needed"),
    ("labels-negative", TIGHT, _negative_weight, "a table weighs energy below zero"),
    ("walk-no-cycle", CYCLE, _no_cycle, "what is flown again is no cycle"),
    ("walk-jump", CYCLE, _jump, "the walk jumps"),
    ("tree-above", CACHE, _higher, "it claims one more than the users' bounds add up to"),
    ("tree-no-user", CACHE, _no_user, "a user has no tree"),
    ("tree-swapped", CACHE, _swapped, "answers no and yes are exchanged"),
    ("tree-one-branch", CACHE, _one_branch, "the branch yes stands for both answers"),
    ("tree-missing-branch", CACHE, _missing_branch, "a question has one answer only"),
    ("tree-negative", CACHE, _negative, "a multiplier is below zero"),
    ("tree-other-row", CACHE, _other_row, "a row of no known family"),
    ("tree-empty", CACHE, _empty, "a leaf with plans in it is called empty"),
    ("tree-zero", CACHE, _coarse, "a denominator of zero"),
    ("tree-other-user", CACHE, _exchanged, "two users' trees are exchanged"),
    ("tree-turned", CACHE, _turned, "LEAVE of slots that end before they begin"),
    ("tree-given-twice", CACHE, _given_twice, "COVER_GIVEN counts a content twice"),
    ("claim-two", PAPER, _two_claims, "it claims two things"),
    ("claim-unbounded", PAPER, _endless_claim, "a potential shows no cycle"),
    ("claim-infeasible", TIGHT, _no_plan, "its labels do not show that there is no plan"),
    ("labels-dead", TIGHT, _all_dead, "all states are declared dead, END with them"),
    ("field-unknown", PAPER, _remark, "a field that no kind has"),
)


def plant(library: Library) -> None:
    """Write all falsehoods, with their index, to the library's folder ``wrong``."""
    folder = library.folder / "wrong"
    folder.mkdir(exist_ok=True)
    entries = [*_certificates(library), *_plans(library)]
    data = msgspec.json.format(msgspec.json.encode(WrongIndex(entries=entries)), indent=1)
    files.write_bytes(folder / "index.json", data + b"\n")


def _certificates(library: Library) -> Iterator[Wrong]:
    for name, about, edit, reason in EDITS:
        document = certificates.read(library.certificate_path(about))
        edit(document)
        yield _written(library, name, about, document, reason)
    other = certificates.read(library.certificate_path("jutap-paper-v2-1"))
    yield _written(library, "another-instance", PAPER, other, "it is of another instance")
    other["instance"] = library.find(PAPER).sha256
    yield _written(
        library, "another-hash", PAPER, other, "another instance's, with this one's hash"
    )

    walk = certificates.read(library.certificate_path(CYCLE))
    walk["instance"] = library.find(LIMITED).sha256
    yield _written(library, "walk-limited", LIMITED, walk, "a cycle proves nothing beside a budget")
    labels = certificates.read(library.certificate_path(TIGHT))
    labels["instance"] = library.find(PAPER).sha256
    yield _written(library, "labels-other-limit", PAPER, labels, "labels of a smaller budget")
    path = library.certificate_path(PAPER)
    text = json.dumps(certificates.read(path)).replace(
        '"claim":', '"claim": {"bound": 1}, "claim":'
    )
    twice = "name-twice.cert.json.gz"
    files.write_bytes(library.folder / "wrong" / twice, text.encode())
    yield Wrong(name="name-twice", instance=PAPER, certificate=twice, reason="it has two claims")


def _written(
    library: Library, name: str, about: str, document: dict[str, Any], reason: str
) -> Wrong:
    file = f"{name}.cert.json.gz"  # by json: its integers have any size
    files.write_bytes(library.folder / "wrong" / file, json.dumps(document).encode())
    return Wrong(name=name, instance=about, certificate=file, reason=reason)


def _plans(library: Library) -> Iterator[Wrong]:
    instance = problems.read_instance(library.instance_path(PAPER))
    straight = make("jutap.straight").solve(instance, Budget(), seed=0).plan
    proof = "false-optimum.cert.json.gz"
    files.write_document(
        library.folder / "wrong" / proof, certificates.read(library.certificate_path(PAPER))
    )
    lie = Wrong(name="false-optimum", instance=PAPER, certificate=proof, reason="it costs more")
    yield _plan(library, lie, straight.document())
    best = problems.read_plan(library.plan_path(PAPER), "jutap").document()
    cheaper = (library.find(PAPER).cost or 0) - 1
    lie = Wrong(name="false-cost", instance=PAPER, cost=cheaper, reason="it costs one more")
    yield _plan(library, lie, best)
    jump = {**best, "cells": [*best["cells"][:1], *best["cells"][2:]], "links": best["links"][1:]}
    lie = Wrong(name="plan-jump", instance=PAPER, reason="the walk jumps")
    yield _plan(library, lie, jump)
    early = problems.read_plan(library.plan_path(CACHE), "push").document()
    user, content, slot = early["push"][-1]
    twice = {**early, "push": [*early["push"], [user, content, slot + 1]]}
    lie = Wrong(name="plan-twice", instance=CACHE, reason="a content is pushed twice")
    yield _plan(library, lie, twice)
    unborn = {**early, "push": [[user, content, 0], *early["push"][:-1]]}
    lie = Wrong(name="plan-unborn", instance=CACHE, reason="a content is pushed before its birth")
    yield _plan(library, lie, unborn)
    far = {**best, "instance": library.find(TIGHT).sha256}
    lie = Wrong(name="plan-too-far", instance=TIGHT, reason="it needs more energy than there is")
    yield _plan(library, lie, far)


def _plan(library: Library, lie: Wrong, document: dict[str, Any]) -> Wrong:
    file = f"{lie.name}.plan.json"
    files.write_document(library.folder / "wrong" / file, document)
    return msgspec.structs.replace(lie, plan=file)
