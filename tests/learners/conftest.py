"""What all tests of learners share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Run on one thread, for tests run side by side."""
    torch.set_num_threads(1)
