"""What the papers print, with the place where it stands.

JUTAP: arXiv:2603.22127. PUSH: Remote Sens. 2025, 17(11), 1905. No map, path, demand, agent or
program of either is published.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """A printed number.

    Parameters
    ----------
    what
        The quantity, as in the terms of a plan.
    value
        As printed.
    place
        Figure or sentence.
    """

    what: str
    value: float
    place: str


# Section IV, on Figs. 3 and 4
FIG3_INTEGRATED = (Printed("length_m", 4072.94, "Fig. 3"), Printed("holes", 1, "Fig. 3"))
FIG3_TERRESTRIAL = (Printed("length_m", 4354.1, "Fig. 3"), Printed("holes", 5, "Fig. 3"))
FIG4A = (
    Printed("length_m", 4494.7, "Fig. 4a"),
    Printed("handover", 6.5, "Fig. 4a"),
    Printed("holes", 1, "Fig. 4a"),
)
FIG4B = (
    Printed("length_m", 4072.94, "Fig. 4b"),
    Printed("handover", 10.5, "Fig. 4b"),
    Printed("holes", 1, "Fig. 4b"),
)
STABLE_EPISODE = 400  # "stabilizes after approximately 400 episodes", Fig. 2

# Section 7, on Figs. 5 to 7 and Table 3; MAAC's delay from the 53.55 % by which 0.086 s is below it
MULTI_MODAL_S, MAPPO_S = 0.086, 0.1321
MAAC_S = MULTI_MODAL_S / (1 - 0.5355)
DELAY_S = {"multi-modal-MAPPO": MULTI_MODAL_S, "MAPPO": MAPPO_S, "MAAC": MAAC_S}
HIT_RATIO = {"multi-modal-MAPPO": 0.7148, "MAPPO": 0.543, "MAAC": 0.29}
DECISION_S = {"multi-modal-MAPPO": 0.08654, "MAPPO": 0.0717, "MAAC": 0.0633}
SUB_S = 0.1  # "sub-0.1 s latency across all configurations", Fig. 6a
