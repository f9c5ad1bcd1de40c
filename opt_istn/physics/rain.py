"""Rain attenuation of satellite-to-user links.

The push paper's Table 1 has a constant 6 dB, which is a rain event rather than a mean: in
temperate climates 20 GHz links exceed it 0.1-0.2 % of the time. The Weibull alternatives follow
Kanellopoulos, Panagopoulos et al. (channel model for satellite links above 10 GHz based on the
Weibull distribution): P(A > x) = exp(-(x/w)^v). The constants below were fitted to ITU-R P.618
exceedances at 45 degrees elevation and 0.01-5 % of the time.
"""

import math

import numpy as np

from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import Array

WEIBULL = {  # name: shape v, scale w in dB
    "beijing-20ghz": (0.311, 0.0157),
    "beijing-30ghz": (0.328, 0.0454),
    "singapore-20ghz": (0.313, 0.0399),
    "london-20ghz": (0.294, 0.0051),
}
KINDS = ("constant", "rainy", *WEIBULL)
_RAINY_SHAPE = 0.311


def rain_db(kind: str, mean_db: float, shape: tuple[int, ...], rng: Chance) -> Array:
    """Return attenuations.

    Parameters
    ----------
    kind
        ``constant``: `mean_db` everywhere; ``rainy``: Weibull, given that it rains, with that
        mean; or the climate and band of `WEIBULL`, over all weather, whatever `mean_db` is.
    """
    if kind == "constant":
        return np.full(shape, mean_db)
    if kind == "rainy":
        v, w = _RAINY_SHAPE, mean_db / math.gamma(1 + 1 / _RAINY_SHAPE)
    else:
        v, w = WEIBULL[kind]
    drawn: Array = w * rng.weibull(v, shape)
    return drawn
