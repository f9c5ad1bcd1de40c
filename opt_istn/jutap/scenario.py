"""JUTAP from physics: parameters, presets, and the step from a radio map to an integer instance.

Defaults are those of arXiv:2603.22127, section IV and Table I. What the paper leaves open is
fixed here and kept in the instance: sequential inhibition for the stations, 10 MHz for the
terrestrial band (the map is interference-limited), one resource block and a beam of 0.4 degrees
for GEO, corner to corner flight, and budgets relative to the straightest path.
"""

import difflib
import math
import types
import typing
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from opt_istn.files import InputError
from opt_istn.jutap.instance import Association, Cost, Instance, IntArray
from opt_istn.physics import geo, pathloss
from opt_istn.physics.layout import sequential_inhibition
from opt_istn.physics.propulsion import energy_j
from opt_istn.physics.radio import Coverage, Downlink, Stations, coverage

MILLION = 1_000_000
KAPPAS = (1.02, 1.05, 1.10, 1.25)
_POSITIVE = (
    "grid",
    "cell_m",
    "num_mbs",
    "speed_m_s",
    "mbs_frequency_ghz",
    "mbs_bandwidth_hz",
    "geo_frequency_ghz",
    "geo_bandwidth_hz",
    "geo_half_width_deg",
)
ETA = {  # handover cost, equation (8); HOLE to GEO depends on the reading
    "mbs_to_mbs": 1.0,
    "geo_to_mbs": 1.0,
    "mbs_to_geo": 5.0,
    "geo_stay": 0.5,
    "hole_to_mbs": -0.5,
}


@dataclass(frozen=True)
class Scenario:
    """Everything an instance is drawn from, apart from the seed."""

    grid: int = 25  # N_G
    cell_m: float = 120.0  # side of a cell; 25 of them make 3 km
    num_mbs: int = 10  # N_B
    separation_m: float = 500.0  # least distance between two MBSs
    altitude_m: float = 150.0  # h_UAV
    speed_m_s: float = 30.0  # v
    mbs_frequency_ghz: float = 2.545
    mbs_power_dbm: float = 43.0  # P_M
    mbs_bandwidth_hz: float = 10e6  # B_M
    load: float = 1.0  # share of the time an interfering MBS transmits
    sampled_los: bool = True  # draw line of sight per cell (certain above 100 m)
    shadowing: bool = False  # draw shadow fading per cell
    beta_db: float = -1.0  # SINR and SNR threshold
    geo: bool = True  # False is the terrestrial-only network
    geo_power_dbm: float = 30.0  # P_G
    geo_frequency_ghz: float = 2.1
    geo_bandwidth_hz: float = 180e3  # B_G
    geo_half_width_deg: float = 0.4  # half-power angle of the beam
    geo_longitude_deg: float = -111.1  # Anik F2
    site_lat_deg: float = 45.4  # Ottawa
    site_lon_deg: float = -75.7
    noise_dbm_hz: float = -173.9  # N_0
    user_gain_dbi: float = 0.0  # G_r
    w1: float = 0.4  # weight of energy
    w2: float = 0.2  # weight of handovers
    w3: float = 0.4  # weight of disconnectivity
    hole_to_geo: Literal["reconnect", "handover"] = "reconnect"  # reading of (8): -0.5 or 5
    reward: Literal["objective", "paper"] = "objective"  # problem (4), or the reward (6)-(7)
    association: Association = "full"
    kappa: float | None = None  # energy budget over the energy of the straightest path
    start: int | None = None  # START cell; None is the south-west corner
    end: int | None = None  # END cell; None is the north-east corner

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            _expect(getattr(self, name) > 0, name, "expected a positive number")
        for name in ("w1", "w2", "w3", "separation_m"):
            _expect(getattr(self, name) >= 0, name, "expected a number >= 0")
        for item in fields(self):
            value = getattr(self, item.name)
            finite = not isinstance(value, float) or math.isfinite(value)
            _expect(finite, item.name, f"expected a finite number, found {value}")
        _expect(0 <= self.load <= 1, "load", "expected a share 0..1")
        height = pathloss.MAX_HEIGHT_M
        ok = 22.5 < self.altitude_m <= height
        _expect(ok, "altitude_m", f"expected above 22.5 and at most {height:g} m")
        _expect(self.grid <= 4096, "grid", "expected at most 4096")
        ok = self.kappa is None or self.kappa > 0
        _expect(ok, "kappa", "expected a positive number or none")
        for name in ("start", "end"):
            cell = getattr(self, name)
            ok = cell is None or 0 <= cell < self.grid**2
            _expect(ok, name, f"expected a cell 0..{self.grid**2 - 1} or none")
        for name, value in _choices(type(self)).items():
            ok = getattr(self, name) in value
            _expect(ok, name, f"expected one of {', '.join(value)}")

    @property
    def downlink(self) -> Downlink:
        """The terrestrial link's parameters."""
        return Downlink(
            altitude_m=self.altitude_m,
            frequency_ghz=self.mbs_frequency_ghz,
            power_dbm=self.mbs_power_dbm,
            bandwidth_hz=self.mbs_bandwidth_hz,
            noise_dbm_hz=self.noise_dbm_hz,
            user_gain_dbi=self.user_gain_dbi,
            load=self.load,
            sampled_los=self.sampled_los,
            shadowing=self.shadowing,
        )

    @property
    def geo_snr_db(self) -> float:
        """SNR of the GEO link; one number, the area is tiny seen from the satellite."""
        beam = geo.Beam(
            longitude_deg=self.geo_longitude_deg,
            half_width_deg=self.geo_half_width_deg,
            power_dbm=self.geo_power_dbm,
            frequency_ghz=self.geo_frequency_ghz,
            bandwidth_hz=self.geo_bandwidth_hz,
            noise_dbm_hz=self.noise_dbm_hz,
            user_gain_dbi=self.user_gain_dbi,
        )
        return geo.snr_db(beam, self.site_lat_deg, self.site_lon_deg, self.altitude_m)


def _presets() -> dict[str, Scenario]:
    paper = Scenario()
    density = paper.num_mbs / (paper.grid * paper.cell_m) ** 2
    base = {
        "jutap-tiny": replace(paper, grid=4, num_mbs=3, cell_m=400.0),
        "jutap-paper": paper,
        "jutap-paper-terrestrial": replace(paper, geo=False),
    }
    # The paper's density of stations. At 150 m all of them are in sight, so with full load the
    # larger areas would drown in interference; the load keeps about the paper's share of holes.
    larger = (("jutap-city", 200, 40, 0.38), ("jutap-region", 1000, 400, 0.078))
    for name, grid, stations, load in larger:
        side = math.sqrt(stations / density)
        cell = round(side / grid, 2)
        base[name] = replace(paper, grid=grid, num_mbs=stations, cell_m=cell, load=load)
    budgets = {
        f"{name}-k{kappa:.2f}": replace(scenario, kappa=kappa)
        for name, scenario in base.items()
        for kappa in KAPPAS
    }
    return dict(sorted((base | budgets).items()))


def from_parameters(base: Scenario, overrides: dict[str, str]) -> Scenario:
    """Return `base` with parameters replaced by texts, as given by ``--set key=value``.

    Raises
    ------
    InputError
        For an unknown key, or a text that is not of the parameter's type.
    """
    hints = typing.get_type_hints(Scenario)
    values: dict[str, Any] = {}
    for key, text in overrides.items():
        if key not in hints:
            close = difflib.get_close_matches(key, hints, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(key, f"unknown parameter; {hint}known: {', '.join(hints)}")
        values[key] = _parse(key, text, hints[key])
    return replace(base, **values)


def generate(
    scenario: Scenario,
    seed: int,
    name: str = "",
    progress: Callable[[float], None] | None = None,
) -> Instance:
    """Draw the instance of a scenario and a seed.

    Drawn in this order from ``numpy.random.default_rng(seed)``: positions, rural or urban with
    probability 1/2, sector azimuths, then line of sight and shadowing where they are random.

    Parameters
    ----------
    progress
        Called with the share of the radio map done, 0..1.
    """
    rng = np.random.default_rng(seed)
    stations = _stations(scenario, rng)
    row, column = np.divmod(np.arange(scenario.grid**2), scenario.grid)
    cells = (np.stack([column, row], axis=1) + 0.5) * scenario.cell_m
    radio = coverage(stations, cells, scenario.downlink, scenario.beta_db, rng, progress)
    snr = scenario.geo_snr_db
    ptr, ids, strongest = _links(scenario, radio, geo_up=scenario.geo and snr >= scenario.beta_db)
    start = 0 if scenario.start is None else scenario.start
    end = scenario.grid**2 - 1 if scenario.end is None else scenario.end
    energy = _energy_mj(scenario)
    hole = strongest == scenario.num_mbs
    facts = {
        "seed": seed,
        "mbs_xy_m": stations.xy_m.round(3).tolist(),
        "mbs_height_m": stations.height_m.tolist(),
        "mbs_boresight_deg": stations.boresight_deg.round(3).tolist(),
        "geo_snr_db": round(snr, 4),
        "hole_share": round(float(hole.mean()), 6),
        "median_best_sinr_db": round(float(np.median(radio.best_sinr_db)), 4),
        "extrapolated_share": round(_extrapolated(stations, cells), 6),
    }
    return Instance(
        name=name,
        grid=scenario.grid,
        num_mbs=scenario.num_mbs,
        start=start,
        end=end,
        start_link=int(strongest[start]),
        link_ptr=ptr,
        link_ids=ids,
        strongest=strongest,
        cost=_cost(scenario, end),
        energy_mj=energy,
        energy_budget_mj=_budget(scenario, start, end, energy),
        cell_m=scenario.cell_m,
        association=scenario.association,
        scenario={**asdict(scenario), **facts},
    )


def _stations(scenario: Scenario, rng: np.random.Generator) -> Stations:
    side = scenario.grid * scenario.cell_m
    try:
        xy = sequential_inhibition(scenario.num_mbs, side, scenario.separation_m, rng)
    except ValueError as error:
        raise InputError("separation_m", str(error)) from None
    rural = rng.random(scenario.num_mbs) < 0.5
    return Stations(xy, rural, rng.uniform(0, 360, scenario.num_mbs))


def _links(
    scenario: Scenario, radio: Coverage, *, geo_up: bool
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the instance's links (compressed rows) and the strongest MBS, B in a hole."""
    cells = np.arange(scenario.grid**2)
    counts = np.diff(radio.ptr)
    owner = [np.repeat(cells, counts), cells[counts == 0]]
    link = [radio.ids, np.full(len(owner[1]), scenario.num_mbs)]
    if geo_up:
        owner.append(cells)
        link.append(np.full(len(cells), scenario.num_mbs + 1))
    owners, links = np.concatenate(owner), np.concatenate(link)
    order = np.lexsort((links, owners))
    ptr = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(cells)))])
    return ptr, links[order], np.where(counts == 0, scenario.num_mbs, radio.strongest)


def _energy_mj(scenario: Scenario) -> tuple[int, int]:
    lengths = np.array([1, math.sqrt(2)]) * scenario.cell_m
    straight, diagonal = np.rint(energy_j(scenario.speed_m_s, lengths) * 1000).astype(int)
    return int(straight), int(diagonal)


def _budget(scenario: Scenario, start: int, end: int, energy: tuple[int, int]) -> int | None:
    if scenario.kappa is None:
        return None
    apart = np.abs(np.subtract(divmod(start, scenario.grid), divmod(end, scenario.grid)))
    straightest = int(apart.min()) * energy[1] + int(apart.max() - apart.min()) * energy[0]
    return math.floor(scenario.kappa * straightest)


def _cost(scenario: Scenario, end: int) -> Cost:
    """Weigh and round each term: xi of (4) or (7), eta of (8), delta of (9)."""
    eta = ETA | {"hole_to_geo": -0.5 if scenario.hole_to_geo == "reconnect" else 5.0}
    handover = {key: round(MILLION * scenario.w2 * value) for key, value in eta.items()}
    xi = (math.sqrt(0.5), 1.0) if scenario.reward == "objective" else (1.0, math.sqrt(0.5))
    enter = None
    if scenario.reward == "paper":
        row, column = np.divmod(np.arange(scenario.grid**2), scenario.grid)
        target = divmod(end, scenario.grid)
        diagonal = max(scenario.grid - 1, 1) * math.sqrt(2)
        distance = np.hypot(row - target[0], column - target[1]) / diagonal
        enter = tuple(np.rint(MILLION * scenario.w1 * distance).astype(int).tolist())
    return Cost(
        move=(round(MILLION * scenario.w1 * xi[0]), round(MILLION * scenario.w1 * xi[1])),
        hole=round(MILLION * scenario.w3),
        enter=enter,
        **handover,
    )


def _extrapolated(stations: Stations, cells: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the share of cell-station pairs beyond the path-loss model's distances."""
    reach = [pathloss.VALID_TO_M["rma" if rural else "uma"] for rural in stations.rural]
    far = [
        float((np.hypot(*(cells - xy).T) > limit).mean())
        for xy, limit in zip(stations.xy_m, reach, strict=True)
    ]
    return float(np.mean(far))


def _choices(kind: type) -> dict[str, tuple[str, ...]]:
    """Return the allowed values of the fields that are one of a few words."""
    hints = typing.get_type_hints(kind)
    words = {name: hint for name, hint in hints.items() if typing.get_origin(hint) is Literal}
    return {name: typing.get_args(hint) for name, hint in words.items()}


def _parse(key: str, text: str, hint: Any) -> Any:
    """Turn a text into a value of the parameter's type."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(None) in kinds and text.lower() == "none":
        return None
    if typing.get_origin(hint) is Literal:
        return text
    kind = kinds[0]
    if kind is bool:
        words = {"true": True, "1": True, "false": False, "0": False}
        if text.lower() not in words:
            raise InputError(key, f"expected true or false, found {text!r}")
        return words[text.lower()]
    try:
        return kind(text)
    except ValueError:
        raise InputError(key, f"expected {kind.__name__}, found {text!r}") from None


def _expect(ok: bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, expected)


PRESETS = _presets()
