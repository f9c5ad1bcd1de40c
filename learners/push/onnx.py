"""Solver ``push.onnx``: an agent for PUSH in an ONNX file, whatever trained it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from learners.agent import FromFile, of_seed
from learners.onnx_files import KEY, OnnxFile
from learners.push.foreign import CONTRACT, Foreign, observation_of
from learners.push.stage.env import PushEnv
from opt_istn.files import InputError
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.pilot import plan_from_env
from opt_istn.push.policies import claims_of
from opt_istn.solver import Budget, Claims


@dataclass(frozen=True)
class OnnxAgent(FromFile, Foreign):
    """Plays an agent that is an ONNX file.

    Parameters
    ----------
    agent
        The file; ``{seed}`` in its name is filled in with the solver's seed. Its inputs are parts
        of the observation by their names, of n agents each; its first output is scores of all
        choices, shape (n, H, T + 1), of which the best possible are played, or choices, integers
        of shape (n, H).
    observation
        ``push.heads.1``, where the file's metadata do not say it as ``opt_istn.observation``.
    contents_per_step, users_per_step
        C and G, the contents of a cluster and the users that one step decides on.
    """

    agent: Path
    observation: str = ""
    contents_per_step: int = 15
    users_per_step: int = 3

    kind: ClassVar[str] = "agent"
    distributions: ClassVar[tuple[str, ...]] = ("gymnasium", "pettingzoo", "onnxruntime")

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Play the instance to its end."""
        network, env = OnnxFile(of_seed(self.agent, seed)), self.env(instance)
        self._check(network, env)

        def act(seen: Mapping[str, NDArray[Any]], agent: str) -> IntArray:  # noqa: ARG001
            given = {name: seen[name][None] for name in network.inputs}
            chosen: IntArray = network.chosen(given, seen["action_mask"][None])[0]
            return chosen

        return claims_of(instance, plan_from_env(env, act))

    def _check(self, network: OnnxFile, env: PushEnv) -> None:
        """Check the contract and the shapes of the inputs."""
        names = [name for name in (network.metadata.get(KEY), self.observation) if name]
        if not names or any(name != CONTRACT for name in names):
            rule = f"expected {CONTRACT}, in the file's metadata as {KEY} or as observation="
            found = " and ".join(names) or "neither"
            raise InputError("observation", f"{rule}, found {found}", network.path)
        parts = observation_of(env)
        for name in network.inputs:
            if name not in parts:
                rule = f"expected one of {', '.join(parts)}"
                raise InputError(f"input {name}", rule, network.path)
            network.check(name, parts[name])
