"""The parameters of a PUSH scenario, with the values of Remote Sens. 2025, 17(11), 1905.

Whatever the paper leaves open has a value here and a reason in the documentation: the carrier,
Walker phasing, elevation masks, users' places, outages, clusters and the whole law of requests.
"""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from opt_istn.files import InputError
from opt_istn.files.annotated import AtLeast0, Latitude, Positive, Share, checked
from opt_istn.physics.orbits import Shell, minimum_separation_m
from opt_istn.physics.space_links import Radio

Count = Annotated[int, msgspec.Meta(ge=1, le=10**6)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Altitude = Annotated[float, msgspec.Meta(ge=160e3, le=36e6)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=360)]
Mask = Annotated[float, msgspec.Meta(ge=0, lt=90)]

REFERENCE_DRAWS = 12  # births over which a law is calibrated
# Parameters that name files of others; documents name those that are set, and `constellation`.
OUTSIDE = ("constellation", "remote_constellation", "user_places", "ground_stations", "trace")
# Parameters that files of version 1 do not name: their defaults are what held before.
NEWER = frozenset({"access", "payloads", "miss_draws", "link_states", "randomness", *OUTSIDE[1:]})
CLOSEST_M = 5e3  # satellites of a shell that come closer than this are a mistake in the phasing


@dataclass(frozen=True)
class Scenario:
    """A law of PUSH instances: one more seed, one more instance.

    What is not told here is told beside the field.

    Parameters
    ----------
    requests_per_user
        Expected requests of a user over all slots, on average over instances and users.
    roi_fraction
        Part of the region in a user's region of interest.
    link_up_share
        Part of the slots in which a user's access link is up.
    placement
        Where a cluster's head stores a content, see `storage`.
    outage
        Probability that a link between satellites is interrupted in a slot.
    slant
        Distance for users' rates: the shell's ``altitude`` (the paper's) or ``geometric``.
    ground_s
        Delay of a ground station, varsigma.
    access
        Who serves a user in a slot: ``single``, the nearest remote-sensing satellite with a
        working link, s0 of the paper's equations (5) to (9); or ``any`` satellite in sight.
    miss_draws
        Reference draws over which the law's delay of a miss is averaged, at most
        `REFERENCE_DRAWS`.
    randomness
        ``pinned``: bits of PCG64 and transforms of our own; ``numpy``: those of its `Generator`.

    Raises
    ------
    InputError
        If a parameter is out of range; names it.
    """

    num_users: Count = 6  # M
    num_contents: Count = 280  # F
    num_slots: Count = 18  # T
    slot_s: Positive = 10.0  # length of a slot
    cache_items: Count = 3  # L_u, contents that a user's cache holds
    content_bytes: Positive = 100e6  # C_f
    requests_per_user: Positive = 547 / 6
    beta: AtLeast0 = 1.5  # how strongly requests follow a user's preferences
    image_share: Share = 0.5  # part of the preferences that only the image shows
    freshness: Share = 0.85  # q, what is left of the demand for a content a slot later
    lag_slots: Natural = 1  # slots of processing per product level until demand peaks
    pre_lag: Share = 0.1  # demand before the peak, in proportion to it
    num_classes: Count = 16  # of images
    code_noise: AtLeast0 = 0.6  # of an image's code around its class's
    roi_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    burst: AtLeast0 = 1.0  # squared coefficient of variation of the births a slot; 0: even
    footprint_deg: Positive = 1.0  # side of a content's square
    link_up_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    link_down_slots: Annotated[float, msgspec.Meta(ge=1)] = 3.0  # mean length of an outage
    world_seed: Natural = 0  # users and preferences are drawn from it, whatever the instance's seed
    south_deg: Latitude = 5.0  # edge of the region
    north_deg: Latitude = 55.0  # edge of the region
    west_deg: Longitude = 65.0  # edge of the region
    east_deg: Longitude = 145.0  # edge of the region
    remote_altitude_m: Altitude = 656e3  # of the remote-sensing shell
    remote_inclination_deg: float = 98.04  # of its orbits
    remote_planes: Count = 20  # orbital planes
    remote_per_plane: Count = 15  # satellites of a plane
    remote_phasing: Natural = 12  # Walker's F
    remote_raan_span_deg: Literal[180, 360] = 180  # over which the planes are spread
    remote_mask_deg: Mask = 10.0  # least elevation at which users see it
    comm_altitude_m: Altitude = 550e3  # of the communication shell
    comm_inclination_deg: float = 53.0  # of its orbits
    comm_planes: Count = 25  # orbital planes
    comm_per_plane: Count = 26  # satellites of a plane
    comm_phasing: Natural = 1  # Walker's F
    comm_raan_span_deg: Literal[180, 360] = 360  # over which the planes are spread
    comm_mask_deg: Mask = 25.0  # least elevation at which users see it
    constellation: str = ""  # file that replaces the communication shell; empty: none
    epoch: str = "2025-03-20T00:00:00"  # moment of the shells' elements, UTC
    start_window_s: AtLeast0 = 86_400.0  # time after it within which slot 0 begins
    num_clusters: Count = 15  # K
    satellite_items: Count = 3  # L_sate
    placement: Literal["origin", "nearest", "random"] = "nearest"
    cross_links: Natural = 1  # of a remote-sensing satellite to its nearest communicating ones
    grazing_m: AtLeast0 = 80e3  # height that inter-satellite links keep
    outage: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.02
    frequency_hz: Positive = 20e9  # carrier
    power_w: Positive = 1500.0  # P_S
    bandwidth_hz: Positive = 500e6  # B_S
    noise_w_hz: Positive = 5e-20  # sigma_S^2
    gain_tx: Positive = 1e5  # G^T, a ratio
    gain_rx: Positive = 1e5  # G^R, a ratio
    optics_tx: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8  # eta_T
    optics_rx: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8  # eta_R
    max_bps_hz: Positive | None = None  # no modulation carries more; None: Shannon's limit
    rain: Literal[  # attenuation, see `rain`
        "constant", "rainy", "beijing-20ghz", "beijing-30ghz", "singapore-20ghz", "london-20ghz"
    ] = "constant"
    rain_mean_db: AtLeast0 = 6.0  # mean attenuation
    slant: Literal["altitude", "geometric"] = "altitude"
    propagation_m_s: Positive = 3e8  # v_a = v_b
    ground_s: Annotated[float, msgspec.Meta(ge=1e-6, le=1000)] = 1.0
    access: Literal["any", "single"] = "any"
    payloads: Literal["all", "visible-sar"] = "all"  # the paper's two, or `users.PAYLOADS`
    miss_draws: Annotated[int, msgspec.Meta(ge=1, le=REFERENCE_DRAWS)] = 1
    link_states: bool = False  # whether delays of misses are observed slot by slot
    randomness: Literal["numpy", "pinned"] = "numpy"
    remote_constellation: str = ""  # file that replaces the remote-sensing shell
    user_places: str = ""  # file of users' places and ROIs
    ground_stations: str = ""  # file of ground stations
    trace: str = ""  # file of requests

    def __post_init__(self) -> None:
        checked(Scenario, vars(self))
        for name, value in vars(self).items():
            _expect(not isinstance(value, float) or math.isfinite(value), name, "a finite number")
        _expect(self.north_deg > self.south_deg, "north_deg", "a value above south_deg")
        _expect(0 < self.east_deg - self.west_deg <= 360, "east_deg", "up to 360 above west_deg")
        if not self.remote_constellation:
            _check_shell("remote_phasing", self.remote_shell())
        if not self.constellation:
            _check_shell("comm_phasing", self.comm_shell())

    def remote_shell(self) -> Shell:
        """Return the remote-sensing shell."""
        return Shell(
            self.remote_altitude_m,
            self.remote_inclination_deg,
            self.remote_planes,
            self.remote_per_plane,
            self.remote_phasing,
            self.remote_raan_span_deg,
        )

    def comm_shell(self) -> Shell:
        """Return the communication shell."""
        return Shell(
            self.comm_altitude_m,
            self.comm_inclination_deg,
            self.comm_planes,
            self.comm_per_plane,
            self.comm_phasing,
            self.comm_raan_span_deg,
        )

    def radio(self) -> Radio:
        """Return the radio of the satellite links."""
        return Radio(**{f.name: getattr(self, f.name) for f in fields(Radio)})

    def document(self) -> dict[str, Any]:
        """Return the parameters as a JSON object."""
        unset = [name for name in OUTSIDE[1:] if not getattr(self, name)]
        return {name: value for name, value in asdict(self).items() if name not in unset}


def files_of(scenario: Scenario) -> dict[str, Path]:
    """Return the files that a scenario names, by parameter."""
    named = {name: getattr(scenario, name) for name in OUTSIDE}
    return {name: Path(path) for name, path in named.items() if path}


def from_document(document: dict[str, Any]) -> Scenario:
    """Return the scenario an instance came from, of its ``scenario`` field.

    Raises
    ------
    InputError
        If a parameter is missing that every generator knew, or out of range.
    """
    known = {f.name for f in fields(Scenario)}
    missing = known - set(document) - NEWER
    if missing:
        raise InputError("scenario", f"expected the parameter {min(missing)}: it was not generated")
    given = {name: document[name] for name in known & set(document)}
    return Scenario(**checked(Scenario, {**asdict(Scenario()), **given}))


def parse(values: dict[str, Any]) -> Scenario:
    """Return a scenario from values that may be texts, such as ``"0.5"``."""
    return Scenario(**checked(Scenario, values, strict=False))


def _expect(ok: bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, f"expected {expected}")


def _check_shell(name: str, shell: Shell) -> None:
    _expect(shell.phasing < shell.planes, name, f"a value below {shell.planes}")
    apart = minimum_separation_m(shell)
    limit = f"a phasing that keeps satellites {CLOSEST_M / 1e3:g} km apart"
    _expect(apart >= CLOSEST_M, name, f"{limit}, found {apart / 1e3:.1f} km")
