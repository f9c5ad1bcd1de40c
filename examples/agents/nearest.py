"""A policy for PUSH without any library: push at birth what is of interest, to whom it is."""

import numpy as np


def act(observation: dict[str, np.ndarray], agent: str) -> np.ndarray:
    mask = observation["action_mask"]  # (heads, slots + 1); the last choice is "never"
    return mask.argmax(axis=1)  # the first slot that is allowed
