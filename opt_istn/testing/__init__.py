"""Public conformance kit: whether a solver keeps the rules every solver has to keep.

>>> from opt_istn.testing import check_solver
>>> check_solver(MySolver(), "jutap")  # doctest: +SKIP
"""

from opt_istn.testing.jutap import random_jutap
from opt_istn.testing.kit import ConformanceError, check_solver
from opt_istn.testing.truth import Truth

__all__ = ["ConformanceError", "Truth", "check_solver", "random_jutap"]
