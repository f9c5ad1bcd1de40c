"""Train stable-baselines3's DQN or PPO on one map and save it: python train_sb3.py dqn 20000."""

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
    settings = {"learning_starts": 200, "gamma": 1.0, "exploration_fraction": 0.5}
    model = DQN("MlpPolicy", env, seed=0, device="cpu", **settings)
else:
    model = PPO("MlpPolicy", env, seed=0, device="cpu", n_steps=256, gamma=1.0)
model.learn(steps)
model.save(f"{algorithm}.zip")
