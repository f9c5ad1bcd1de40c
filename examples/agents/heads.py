"""What train_pettingzoo.py saved, as a policy: an agent's observation to its heads' choices."""

import numpy as np
from stable_baselines3 import PPO


class Heads:
    """Takes the best choice that the mask allows."""

    def __init__(self) -> None:
        self.policy = PPO.load("heads.zip", device="cpu").policy

    def __call__(self, observation: dict[str, np.ndarray], agent: str) -> np.ndarray:
        seen, _ = self.policy.obs_to_tensor(observation)
        heads = self.policy.get_distribution(seen).distribution  # one for each head
        scores = np.array([head.logits.detach().numpy()[0] for head in heads])
        return np.where(observation["action_mask"] > 0, scores, -np.inf).argmax(axis=1)
