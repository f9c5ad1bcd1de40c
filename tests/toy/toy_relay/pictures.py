"""The picture of RELAY instances: satellites over slots."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from toy_relay.evaluate import evaluate
from toy_relay.instance import Instance
from toy_relay.plan import Plan
from toy_relay.scenario import Scenario


def figure(
    instance: Instance, plans: Sequence[tuple[str, Plan]], *, slots: int | None = None
) -> Figure:
    """Return the delays of the first `slots` slots (all by default), and plans as lines."""
    drawn = Figure(figsize=(7, 3), layout="constrained")
    axes = drawn.subplots()
    columns = list(zip(*instance.delay_us[:slots], strict=True))
    axes.imshow(columns, aspect="auto", cmap="Greys")
    for name, plan in plans:
        evaluate(instance, plan)  # refuses the plans of other instances
        axes.plot(plan.satellite[:slots], label=name)
    axes.set_xlabel("slot")
    axes.set_ylabel("satellite")
    if plans:
        axes.legend()
    return drawn


def quick(scenario: Scenario) -> bool:
    """Whether an instance of `scenario` is drawn in seconds."""
    return scenario.num_slots <= 10_000
