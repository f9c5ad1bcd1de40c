"""The contract of what a JUTAP agent sees: a layout has a name, and the name never changes.

``jutap.raw.1``, ``jutap.fourier.1`` and ``jutap.onehot.1`` are the columns that `table.columns_of`
lists; ``+spent`` after the kind (``jutap.raw+spent.1``) adds the share of the energy budget that is
spent, as the last column. The number is the version of the contract: columns that mean something
else get another one. An agent's file carries the name, or its user gives it, and it is checked
before the agent flies.
"""

from dataclasses import dataclass
from typing import Any, get_args

from opt_istn.files import InputError
from opt_istn.jutap.flights.table import FeatureKind, Float, Table, features_of

VERSION = 1


@dataclass(frozen=True)
class Layout:
    """What an agent sees.

    Parameters
    ----------
    features
        Kind of the columns.
    spent
        Whether there is a column for the share of the energy budget that is spent.
    """

    features: FeatureKind = "raw"
    spent: bool = False

    @property
    def name(self) -> str:
        """Its name, such as ``jutap.fourier.1``."""
        return f"jutap.{self.features}{'+spent' if self.spent else ''}.{VERSION}"

    def of(self, table: Table) -> Float:
        """Return the columns of every state, shape (S, D); the spent share is 0."""
        return features_of(table, self.features, self.spent)


LAYOUTS = {
    layout.name: layout
    for layout in (Layout(kind, spent) for kind in get_args(FeatureKind) for spent in (False, True))
}


def layout_of(said: Any, asked: str, source: str) -> Layout:
    """Return the layout of an agent's file.

    Parameters
    ----------
    said
        What the file says, None if nothing.
    asked
        What its user says; empty if nothing.

    Raises
    ------
    InputError
        If neither says, both say different things, or there is no such layout.
    """
    known = ", ".join(LAYOUTS)
    if said is None and not asked:
        rule = f"the file does not say what the agent sees: expected observation=, one of {known}"
        raise InputError("observation", rule, source)
    if said is not None and asked and said != asked:
        raise InputError("observation", f"expected {said!r}, as the file says", source)
    if (name := asked or str(said)) not in LAYOUTS:
        raise InputError("observation", f"expected one of {known}, found {name!r}", source)
    return LAYOUTS[name]
