"""Rotary-wing propulsion against the published curve."""

import numpy as np
import pytest

from opt_istn.physics.propulsion import (
    Rotor,
    endurance_speed_m_s,
    energy_j,
    power_w,
    range_speed_m_s,
)


@pytest.mark.parametrize(
    ("speed", "watts"),
    [
        (0, 168.4842),
        (5, 143.6083),
        (10, 126.0291),
        (20, 178.2958),
        (25, 248.9523),
        (30, 356.2840),
        (40, 706.93),
    ],
)
def test_power_curve(speed: float, watts: float) -> None:
    """Power of level flight equals equation (12) with the source's aircraft."""
    assert float(power_w(speed)) == pytest.approx(watts, abs=5e-3)


def test_hover_terms() -> None:
    """Blade and induced power in hover are the published 79.8563 W and 88.6279 W."""
    assert Rotor().blade_power_w == pytest.approx(79.8563, abs=1e-4)
    assert Rotor().induced_power_w == pytest.approx(88.6279, abs=1e-4)


def test_best_speeds() -> None:
    """Longest time in the air is at 10.2 m/s, longest way at 18.3 m/s, as published."""
    assert endurance_speed_m_s() == pytest.approx(10.2125, abs=1e-3)
    assert range_speed_m_s() == pytest.approx(18.2951, abs=1e-3)
    assert float(power_w(endurance_speed_m_s())) == pytest.approx(126.0027, abs=1e-3)
    assert float(energy_j(range_speed_m_s(), 1)) == pytest.approx(8.828727, abs=1e-5)


@pytest.mark.parametrize(
    ("metres", "joules"),
    [(120, 1425.14), (169.7056, 2015.45), (4072.94, 48370.8), (4354.1, 51709.9), (4494.7, 53379.7)],
)
def test_energy_of_a_distance(metres: float, joules: float) -> None:
    """E(v, d) = P(v) d / v at 30 m/s for a move and for the paper's paths."""
    assert float(energy_j(30, metres)) == pytest.approx(joules, rel=1e-5)


def test_one_minimum() -> None:
    """Power falls to one minimum and rises after it, and least-power is slower than best-range."""
    slope = np.sign(np.diff(power_w(np.linspace(0, 60, 600))))
    assert (np.diff(slope) >= 0).all()
    assert endurance_speed_m_s() < range_speed_m_s()
