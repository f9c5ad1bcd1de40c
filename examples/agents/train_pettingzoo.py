"""Train one PPO that all cluster heads share, by SuperSuit: python train_pettingzoo.py 2000."""

import sys

import supersuit
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import set_random_seed

from learners.push.stage.env import PushEnv
from opt_istn import read_instance

steps = int(sys.argv[1])


class Telling(BaseCallback):
    """Says after each rollout how far it is; a step is one of any head."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        print(f"{self.num_timesteps} of {steps} steps", flush=True)


env = supersuit.pettingzoo_env_to_vec_env_v1(PushEnv(read_instance("push.json")))
heads = supersuit.concat_vec_envs_v1(env, 1, base_class="stable_baselines3")
set_random_seed(0)
torch.set_num_threads(1)
model = PPO("MultiInputPolicy", heads, device="cpu", n_steps=8, n_epochs=2, batch_size=64)
model.learn(steps, callback=Telling())
model.save("heads.zip")
print("wrote heads.zip")
