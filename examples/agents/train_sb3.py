"""Train stable-baselines3's DQN or PPO on one map: python train_sb3.py dqn STEPS SEED."""

import sys

import gymnasium
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback

import learners.jutap.env  # noqa: F401 - registers opt-istn/Jutap-v0
from opt_istn import read_instance

algorithm, steps, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Telling(BaseCallback):
    """Says ten times how far it is, and how long its last flights were."""

    def _on_step(self) -> bool:
        if self.num_timesteps % max(steps // 10, 1) == 0:
            lengths = [flight["l"] for flight in self.model.ep_info_buffer or []]
            moves = f"{sum(lengths) / len(lengths):.0f} moves a flight" if lengths else "no flight"
            print(f"{self.num_timesteps} of {steps}: {moves} of late, from any START", flush=True)
        return True


torch.set_num_threads(1)  # so small a network is slower on more, far slower on a busy machine
env = gymnasium.make(
    "opt-istn/Jutap-v0",
    instance=read_instance("map.json"),
    features="fourier",  # what it sees; the file remembers it
)
if algorithm == "dqn":
    settings = {"gamma": 1.0, "batch_size": 64, "learning_rate": 1e-3, "learning_starts": 64}
    settings |= {"train_freq": 1, "target_update_interval": 1, "tau": 0.005}
    network = {"net_arch": [128, 128]}
    model = DQN("MlpPolicy", env, seed=seed, device="cpu", policy_kwargs=network, **settings)
else:
    model = PPO("MlpPolicy", env, seed=seed, device="cpu", n_steps=256, gamma=1.0)
model.learn(steps, callback=Telling())
model.save(f"{algorithm}-{seed}.zip")
print(f"wrote {algorithm}-{seed}.zip")
