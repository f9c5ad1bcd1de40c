"""An example of every command, shown at the end of its help."""

import typer

EXAMPLES = {
    "solvers": "solvers jutap.labels",
    "presets": "presets jutap-small-v2",
    "generate": "generate jutap-small-v2 --seed 0 --set num_mbs=8 -o map.json",
    "evaluate": "evaluate map.json best.json",
    "show": "show map.json best.json mine.json -o map.png",
    "export": "export map.json --model arc-flow -o model.mps",
    "solve": "solve map.json --solver cpsat --set guided=false --time-limit 60 -o best.json",
    "compare": "compare jutap-paper-v2 --seeds 5 --solvers labels,dqn@agent=dqn.pt -o runs.jsonl",
    "table": "table runs.jsonl --against greedy --format latex",
    "report": "report runs.jsonl -o report.html",
    "repair": "repair runs.jsonl",
    "verify": "verify runs.jsonl --certificates proofs",
    "bundle": "bundle runs.jsonl --certificates proofs -o paper.zip",
    "add": "add runs.jsonl map.json plan.json --solver-name matlab --seconds 1.3",
    "status": "status runs.jsonl",
    "prove": "prove map.json -o map.cert.json",
    "certify": "certify runs.jsonl --certificates proofs",
    "pareto": "pareto map.json -o front.png",
    "budgets": "budgets map.json --kappa 1.02 --kappa none -o budgets.png",
    "weights": "weights map.json -o weights.png",
    "cite": "cite runs.jsonl",
    "train": "train jutap.dqn map.json --seed 0 -o dqn.pt",
    "starts": "starts map.json --solvers dqn@agent=dqn.pt -o starts.png",
    "reproduce": "reproduce jutap-fig3",
    "list": "library list",
    "get": "library get jutap-cut-off -o entry",
    "arcs": "library arcs jutap-cut-off -o arcs",
    "check": "library check jutap-cut-off",
}
IN_LIBRARY = {"add": "library add map.json --by me --certificate map.cert.json --name mine --cc0"}


def attach(app: typer.Typer, examples: dict[str, str] = EXAMPLES) -> None:
    """Let every command of `app` that has an example end its help with it."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        if name in examples:
            command.epilog = f"Example:\n\n\b\n  opt-istn {examples[name]}"
    for group in app.registered_groups:
        if group.typer_instance is not None:
            attach(group.typer_instance, EXAMPLES | IN_LIBRARY)
