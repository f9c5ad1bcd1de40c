"""Write the network of an SB3 DQN as ONNX, and what it sees: python to_onnx.py dqn-0.zip."""

import sys

import onnx
import torch
from stable_baselines3 import DQN

model = DQN.load(sys.argv[1], device="cpu")
columns = model.observation_space.shape[0]
torch.onnx.export(
    model.policy.q_net.q_net,
    (torch.zeros(1, columns),),
    "policy.onnx",
    dynamic_axes={"seen": {0: "flights"}},
    input_names=["seen"],
    dynamo=False,  # the newer exporter takes one package more
)
written = onnx.load("policy.onnx")
onnx.helper.set_model_props(written, {"opt_istn.observation": "jutap.fourier.1"})
onnx.save(written, "policy.onnx")
print("wrote policy.onnx")
