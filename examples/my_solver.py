from dataclasses import dataclass

from opt_istn import Budget, Claims, Status
from opt_istn.jutap import Instance, Plan, evaluate


@dataclass(frozen=True)
class FirstLink:
    last: bool = False  # --set last=true takes the last link instead
    stochastic = False  # whether the seed matters

    def supports(self, instance: Instance) -> str | None:
        return None  # or one sentence saying why not

    def prepare(self) -> None:
        """Import and compile here; the clock is not running yet."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        row, column = divmod(instance.start, instance.grid)
        goal = divmod(instance.end, instance.grid)
        cells, links = [instance.start], [instance.start_link]
        while (row, column) != goal:
            row += (goal[0] > row) - (goal[0] < row)
            column += (goal[1] > column) - (goal[1] < column)
            cells.append(row * instance.grid + column)
            usable = instance.links(cells[-1])  # ascending link numbers, see docs/jutap.md
            if len(usable) == 0:
                return Claims(Status.NO_PLAN)
            links.append(int(usable[-1 if self.last else 0]))
        plan = Plan(instance.sha256, tuple(cells), tuple(links))
        feasible = evaluate(instance, plan).feasible  # False if it exceeds the energy budget
        return Claims(Status.FEASIBLE if feasible else Status.NO_PLAN, plan)
