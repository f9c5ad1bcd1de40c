"""Rotary-wing propulsion: power and energy of straight, level flight.

Zeng, Xu & Zhang, "Energy Minimization for Wireless Communication With Rotary-Wing UAV", IEEE
Trans. Wireless Commun. 18(4), 2019, equation (12) and its table of parameters.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rotor:
    """The aircraft of the source, in SI units."""

    weight_n: float = 20.0  # W
    air_density: float = 1.225  # rho, kg/m^3
    radius_m: float = 0.4  # R
    disc_area_m2: float = 0.503  # A
    blade_speed_rad_s: float = 300.0  # Omega
    tip_speed_m_s: float = 120.0  # U_tip
    solidity: float = 0.05  # s
    fuselage_drag: float = 0.6  # d0
    induced_correction: float = 0.1  # k
    induced_speed_m_s: float = 4.03  # v0, in hover
    profile_drag: float = 0.012  # delta

    @property
    def blade_power_w(self) -> float:
        """P0, blade profile power in hover."""
        swept = self.air_density * self.solidity * self.disc_area_m2
        return self.profile_drag / 8 * swept * (self.blade_speed_rad_s * self.radius_m) ** 3

    @property
    def induced_power_w(self) -> float:
        """Pi, induced power in hover."""
        lift = self.weight_n**1.5 / math.sqrt(2 * self.air_density * self.disc_area_m2)
        return float((1 + self.induced_correction) * lift)


def power_w(speed_m_s: ArrayLike, rotor: Rotor | None = None) -> Array:
    """Return the propulsion power of level flight in watts; same shape as `speed_m_s`."""
    rotor = rotor or Rotor()
    speed = np.asarray(speed_m_s, dtype=float)
    blade = rotor.blade_power_w * (1 + 3 * (speed / rotor.tip_speed_m_s) ** 2)
    slow = (speed / rotor.induced_speed_m_s) ** 2 / 2
    induced = rotor.induced_power_w * np.sqrt(np.sqrt(1 + slow**2) - slow)
    swept = rotor.air_density * rotor.solidity * rotor.disc_area_m2
    parasite: Array = 0.5 * rotor.fuselage_drag * swept * speed**3
    return np.asarray(blade + induced + parasite)


def energy_j(speed_m_s: float, distance_m: ArrayLike, rotor: Rotor | None = None) -> Array:
    """Return the energy of flying a distance at constant speed, E(v, d) = P(v) d / v, in joules."""
    return np.asarray(power_w(speed_m_s, rotor) * np.asarray(distance_m) / speed_m_s)


def endurance_speed_m_s(rotor: Rotor | None = None) -> float:
    """Return the speed of least power (longest time in the air)."""
    return _least(lambda speed: float(power_w(speed, rotor)))


def range_speed_m_s(rotor: Rotor | None = None) -> float:
    """Return the speed of least energy per metre (longest way)."""
    return _least(lambda speed: float(power_w(speed, rotor)) / speed)


def _least(measure: Callable[[float], float]) -> float:
    found = minimize_scalar(measure, bounds=(1e-3, 60.0), method="bounded")
    return float(found.x)
