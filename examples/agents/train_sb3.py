"""Train stable-baselines3's DQN or PPO on one map and save it: python train_sb3.py dqn 100000."""

import sys

import gymnasium
from stable_baselines3 import DQN, PPO

import learners.jutap.env  # noqa: F401 - registers opt-istn/Jutap-v0
from opt_istn import read_instance

algorithm, steps = sys.argv[1], int(sys.argv[2])
env = gymnasium.make(
    "opt-istn/Jutap-v0",
    instance=read_instance("map.json"),
    features="fourier",  # what it sees; the file remembers it
)
if algorithm == "dqn":
    settings = {"gamma": 1.0, "batch_size": 64, "learning_rate": 1e-3, "learning_starts": 64}
    settings |= {"train_freq": 1, "target_update_interval": 1, "tau": 0.005}
    network = {"net_arch": [128, 128]}
    model = DQN("MlpPolicy", env, seed=0, device="cpu", policy_kwargs=network, **settings)
else:
    model = PPO("MlpPolicy", env, seed=0, device="cpu", n_steps=256, gamma=1.0)
model.learn(steps)
model.save(f"{algorithm}.zip")
