"""The figures and tables that can be made, by the names that ``opt-istn reproduce`` takes."""

from collections.abc import Callable

from opt_istn.papers import jutap, push, tables
from opt_istn.papers.work import Finding, Work

FIGURES: dict[str, Callable[[Work], Finding]] = {
    "tables": tables.parameters,
    "jutap-fig2": jutap.fig2,
    "jutap-fig3": jutap.fig3,
    "jutap-fig4": jutap.fig4,
    "push-fig5": push.fig5,
    "push-fig6a": push.fig6a,
    "push-fig6b": push.fig6b,
    "push-fig7": push.fig7,
    "push-fig8": push.fig8,
    "push-table3": push.table3,
}
