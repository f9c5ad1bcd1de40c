"""The parameters of a JUTAP scenario, with the values of arXiv:2603.22127, section IV and Table I.

What the paper leaves open is fixed here and kept in the instance: sequential inhibition for the
stations, 10 MHz for the terrestrial band (the map is interference-limited), one resource block
and a beam of 0.4 degrees for GEO, corner to corner flight.
"""

import math
import typing
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

import msgspec

from opt_istn.files import InputError, hashing
from opt_istn.files.annotated import AtLeast0, Latitude, Positive, Share, checked, hints
from opt_istn.files.words import meant
from opt_istn.jutap.checks import MAX_GRID
from opt_istn.jutap.instance import Association
from opt_istn.jutap.world.measured import FILES, number_of_stations
from opt_istn.physics import geo, pathloss
from opt_istn.physics.antenna import Panel
from opt_istn.physics.radio import Downlink, Interference

MAX_MBS = 10_000
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_GRID)]
Stations = Annotated[int, msgspec.Meta(ge=1, le=MAX_MBS)]
Count = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True)
class Scenario:
    """Everything an instance is drawn from, apart from the seed.

    Raises
    ------
    InputError
        If a parameter is out of range; names it.
    """

    grid: Side = 25  # N_G
    cell_m: Positive = 120.0  # side of a cell; 25 of them make 3 km
    num_mbs: Stations = 10  # N_B
    separation_m: AtLeast0 = 500.0  # least distance between two MBSs
    rural_share: Share = 0.5  # probability of rural macro (mast 35 m) rather than urban (25 m)
    altitude_m: float = 150.0  # h_UAV
    speed_m_s: Positive = 30.0  # v
    mbs_frequency_ghz: Positive = 2.545  # carrier
    mbs_power_dbm: float = 43.0  # P_M
    mbs_bandwidth_hz: Positive = 10e6  # B_M
    mbs_rows: Count = 8  # N_V of the array
    mbs_columns: Count = 8  # N_H of the array
    mbs_element_gain_dbi: float = 8.0  # G_E,max
    mbs_down_tilt_deg: float = 10.0  # electrical
    mbs_floor_dbi: float = -30.0  # the array's nulls are filled up to this; more makes more holes
    interference: Interference = "facing"  # of each MBS the facing sector, or all three of all MBSs
    load: Share = 1.0  # share of the time an interfering MBS transmits
    sampled_los: bool = True  # draw line of sight per cell (certain above 100 m)
    shadowing: bool = False  # draw shadow fading per cell
    beta_db: float = -1.0  # SINR and SNR threshold
    geo: bool = True  # False is the terrestrial-only network
    geo_power_dbm: float = 30.0  # P_G
    geo_frequency_ghz: Positive = 2.1  # carrier
    geo_bandwidth_hz: Positive = 180e3  # B_G
    geo_gain_dbi: float = 51.0  # of the beam, at its centre
    geo_half_width_deg: Positive = 0.4  # half-power angle of the beam
    geo_beam_lat_deg: Latitude = 50.0  # centre of the beam
    geo_beam_lon_deg: float = -70.0  # centre of the beam
    geo_polarisation_db: AtLeast0 = 3.0  # circular to linear
    geo_gas_db: AtLeast0 = 0.078  # ITU-R P.676
    geo_longitude_deg: float = -111.1  # Anik F2
    site_lat_deg: Latitude = 45.4  # Ottawa
    site_lon_deg: float = -75.7  # Ottawa
    noise_dbm_hz: float = -173.9  # N_0
    user_gain_dbi: float = 0.0  # G_r
    w1: AtLeast0 = 0.4  # weight of energy
    w2: AtLeast0 = 0.2  # weight of handovers
    w3: AtLeast0 = 0.4  # weight of disconnectivity
    eta_mbs_to_mbs: float = 1.0  # handover costs, equation (8)
    eta_geo_to_mbs: float = 1.0  # of coming back from GEO
    eta_mbs_to_geo: float = 5.0  # of going to GEO
    eta_geo_stay: float = 0.5  # of a move with GEO
    eta_reconnect: float = -0.5  # of leaving a coverage hole
    hole_to_geo: Literal["reconnect", "handover"] = "reconnect"  # which of them HOLE to GEO is
    hole_bonus: Literal["printed", "once", "none"] = "printed"  # how often reconnecting pays
    reward: Literal["objective", "paper"] = "objective"  # problem (4), or the reward (6)-(7)
    association: Association = "full"  # every link of a cell, or its strongest MBS alone and GEO
    kappa: Positive | None = None  # energy budget over the energy of the straightest path
    battery_j: Positive | None = None  # E_C; the budget is then at most E_C - E_S - 2 E(v, h_UAV)
    reserve_j: AtLeast0 = 0.0  # E_S, the emergency reserve
    start: int | None = None  # START cell; None is the south-west corner
    end: int | None = None  # END cell; None is the north-east corner
    stations: str = ""  # file of stations, see `measured`; empty: they are drawn
    radio_map: str = ""  # file of a radio map, see `measured`; empty: it is computed

    def __post_init__(self) -> None:
        checked(Scenario, vars(self))
        for name, value in vars(self).items():
            finite = not isinstance(value, float) or math.isfinite(value)
            _expect(finite, name, f"expected a finite number, found {value}")
        for name in ("start", "end"):
            cell = getattr(self, name)
            ok = cell is None or 0 <= cell < self.grid**2
            _expect(ok, name, f"expected a cell 0..{self.grid**2 - 1} or none")
        low, high = pathloss.LOWEST_AERIAL_M["uma"], pathloss.MAX_HEIGHT_M
        ok = low < self.altitude_m <= high
        _expect(ok, "altitude_m", f"expected above {low:g} and at most {high:g} m")
        seen = geo.elevation_deg(self.geo_longitude_deg, self.site_lat_deg, self.site_lon_deg, 0.0)
        rule = "expected a satellite above the site's horizon"
        _expect(seen > 0 or not self.geo, "geo_longitude_deg", f"{rule}, found {seen:.1f} degrees")

    @property
    def files(self) -> dict[str, str]:
        """The files that it names, by parameter."""
        return {name: getattr(self, name) for name in FILES if getattr(self, name)}

    def document(self) -> dict[str, Any]:
        """Return the parameters as a JSON object, without those of files that there are none of."""
        unset = set(FILES) - set(self.files)
        return {name: value for name, value in asdict(self).items() if name not in unset}

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
            interference=self.interference,
            sampled_los=self.sampled_los,
            shadowing=self.shadowing,
            panel=Panel(
                rows=self.mbs_rows,
                columns=self.mbs_columns,
                element_gain_dbi=self.mbs_element_gain_dbi,
                down_tilt_deg=self.mbs_down_tilt_deg,
                floor_dbi=self.mbs_floor_dbi,
            ),
        )

    @property
    def geo_snr_db(self) -> float:
        """SNR of the GEO link; one number, the area is tiny seen from the satellite."""
        beam = geo.Beam(
            longitude_deg=self.geo_longitude_deg,
            centre_lat_deg=self.geo_beam_lat_deg,
            centre_lon_deg=self.geo_beam_lon_deg,
            half_width_deg=self.geo_half_width_deg,
            peak_gain_dbi=self.geo_gain_dbi,
            power_dbm=self.geo_power_dbm,
            frequency_ghz=self.geo_frequency_ghz,
            bandwidth_hz=self.geo_bandwidth_hz,
            noise_dbm_hz=self.noise_dbm_hz,
            user_gain_dbi=self.user_gain_dbi,
            polarisation_db=self.geo_polarisation_db,
            gas_db=self.geo_gas_db,
        )
        return geo.snr_db(beam, self.site_lat_deg, self.site_lon_deg, self.altitude_m)


def from_parameters(base: Scenario, overrides: dict[str, str]) -> Scenario:
    """Return `base` with parameters replaced by texts, as given by ``--set key=value``.

    Raises
    ------
    InputError
        For an unknown key, or a text that is not of the parameter's type.
    """
    known = hints(Scenario)
    values: dict[str, Any] = {}
    for key, text in overrides.items():
        if key not in known:
            raise InputError(key, f"unknown parameter; {meant(key, known)}")
        optional = type(None) in typing.get_args(known[key])
        values[key] = None if optional and text.lower() == "none" else text
    given = checked(Scenario, {**asdict(base), **values}, strict=False)
    return _settled(Scenario(**given), values)


def _settled(scenario: Scenario, given: Collection[str]) -> Scenario:
    """Return a scenario with as many stations as its files name."""
    if not scenario.files:
        return scenario
    for path in scenario.files.values():
        hashing.check_kept(path)
    number = number_of_stations(scenario.stations, scenario.radio_map, scenario.grid)
    if "num_mbs" in given and number != scenario.num_mbs:
        files = " and ".join(scenario.files.values())
        rule = f"expected {number}, as in {files}"
        raise InputError("num_mbs", f"{rule}, found {scenario.num_mbs}")
    return replace(scenario, num_mbs=number)


def _expect(ok: bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, expected)
