"""Train one PPO that all cluster heads share, by SuperSuit: python train_pettingzoo.py 2000."""

import sys

import supersuit
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

from learners.push.stage.env import PushEnv
from opt_istn import read_instance

env = supersuit.pettingzoo_env_to_vec_env_v1(PushEnv(read_instance("push.json")))
heads = supersuit.concat_vec_envs_v1(env, 1, base_class="stable_baselines3")
set_random_seed(0)
model = PPO("MultiInputPolicy", heads, device="cpu", n_steps=8, n_epochs=2, batch_size=64)
model.learn(int(sys.argv[1]))
model.save("heads.zip")
