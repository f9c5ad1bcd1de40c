"""Solver ``jutap.sb3``: an agent that stable-baselines3 trained in ``opt-istn/Jutap-v0``.

The file is what ``model.save`` writes. It holds pickled Python objects: load files of people that
you trust, as stable-baselines3 asks, too. Only its policy is used (PPO, A2C, DQN; QR-DQN and
MaskablePPO of sb3-contrib), not optimiser, replay buffer and schedules.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import stable_baselines3  # noqa: F401 - agents refer to all of it, and the clock does not run yet
import torch
from stable_baselines3.common.save_util import json_to_data, load_from_zip_file

from learners.agent import of_seed
from learners.jutap.foreign import AgentFile, check_map, check_widths
from opt_istn import files
from opt_istn.files import InputError
from opt_istn.jutap.flights.observation import Layout, layout_of
from opt_istn.jutap.flights.table import Float, Mask, strongest, table_of
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.starts import Acts, best_of

_WANTED = ("policy_class", "observation_space", "action_space", "policy_kwargs", "use_sde")
_BROKEN = (zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError, ImportError)


@dataclass(frozen=True)
class Sb3Agent(AgentFile):
    """Flies an agent that stable-baselines3 trained.

    Parameters
    ----------
    agent
        The file of ``model.save``; ``{seed}`` in its name is filled in with the solver's seed.
    masked
        Whether impossible actions are excluded, as for the project's own agents. If not, an agent
        that chooses one stays where it is.
    """

    masked: bool = True

    distributions: ClassVar[tuple[str, ...]] = ("gymnasium", "stable-baselines3", "sb3-contrib")

    def pilot(self, instance: Instance, seed: int) -> tuple[Layout, Acts]:
        """Return what the agent sees, and its best action in each of many flights."""
        path = of_seed(self.agent, seed)
        data, policy = _loaded(path)
        space = data["observation_space"]
        layout = layout_of(getattr(space, "layout", None), self.observation, str(path))
        trained_on = getattr(space, "instance", None)
        check_map(trained_on, instance, elsewhere=self.elsewhere, source=str(path))
        check_widths(layout, instance, int(np.prod(space.shape)), str(path))
        actions, known = int(data["action_space"].n), table_of(strongest(instance)).num_actions
        if actions != known:
            raise InputError(
                "action_space", f"expected {known} actions, found {actions}", str(path)
            )

        def acts(seen: Float, mask: Mask) -> IntArray:
            with torch.no_grad():
                scores = _scores(policy, torch.from_numpy(seen)).numpy()
            return best_of(scores, mask, masked=self.masked)

        return layout, acts


def _loaded(path: Path) -> tuple[dict[str, Any], Any]:
    """Return what a file says of its policy, and the policy."""
    try:
        with zipfile.ZipFile(path) as archive:
            told = json.loads(archive.read("data"))
        data = json_to_data(json.dumps({name: told[name] for name in _WANTED if name in told}))
        _, parameters, _ = load_from_zip_file(path, load_data=False, device="cpu")
        options = dict(data.get("policy_kwargs") or {})
        if data.get("use_sde"):
            options["use_sde"] = True
        policy = data["policy_class"](
            data["observation_space"], data["action_space"], lambda _: 0.0, **options
        )
        policy.load_state_dict(parameters["policy"])
    except OSError as error:
        raise files.unusable("cannot be read", error, path) from None
    except (*_BROKEN, RuntimeError) as error:
        rule = f"expected an agent as stable-baselines3 saves it ({type(error).__name__}: {error})"
        raise InputError("", rule, str(path)) from None
    policy.set_training_mode(False)
    return data, policy


def _scores(policy: Any, seen: torch.Tensor) -> torch.Tensor:
    """Return a value or logit of every action, shape (n, A); the best one is what is played.

    Raises
    ------
    InputError
        If the policy is of an algorithm that has none.
    """
    if hasattr(policy, "q_net"):  # DQN
        found = policy.q_net(seen)
    elif hasattr(policy, "quantile_net"):  # QR-DQN of sb3-contrib
        found = policy.quantile_net(seen).mean(dim=1)
    elif hasattr(policy, "get_distribution") and not hasattr(policy, "lstm_actor"):  # PPO, A2C
        found = policy.get_distribution(seen).distribution.logits
    else:
        rule = "expected a policy of PPO, A2C, DQN, QR-DQN or MaskablePPO"
        raise InputError("agent", f"{rule}, found {type(policy).__name__}")
    scores: torch.Tensor = found
    return scores
