"""The parameters of a PUSH scenario, with the values of Remote Sens. 2025, 17(11), 1905.

Whatever the paper leaves open has a value here and a reason in the documentation: the carrier,
Walker phasing, elevation masks, users' places, outages, clusters and the whole law of requests.
"""

import math
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from opt_istn.files import InputError, explain
from opt_istn.physics.orbits import Shell, minimum_separation_m
from opt_istn.physics.space_links import Radio

Count = Annotated[int, msgspec.Meta(ge=1, le=10**6)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
AtLeast0 = Annotated[float, msgspec.Meta(ge=0)]
Altitude = Annotated[float, msgspec.Meta(ge=160e3, le=36e6)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
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

    Parameters
    ----------
    num_users, num_contents, num_slots, slot_s, cache_items, content_bytes
        M, F, T, the length of a slot, L_u and C_f.
    requests_per_user
        Expected requests of a user over all slots, on average over instances and users.
    beta, image_share
        How strongly requests follow a user's preferences, and the part of the preferences that
        only the image shows.
    freshness, lag_slots, pre_lag
        q of the geometric decay a slot, the slots of processing per product level until the
        peak, and the demand before the peak in proportion to it.
    num_classes, code_noise
        Classes of images, and the noise of an image's code around its class's.
    roi_fraction, burst, footprint_deg
        Part of the region in a user's region of interest; squared coefficient of variation of
        the slots' rates of births (0: even); side of a content's square.
    link_up_share, link_down_slots
        Part of the slots in which a user's access link is up, and mean length of an outage.
    world_seed, south_deg, north_deg, west_deg, east_deg
        Users and preferences are drawn from this seed, whatever the instance's; the region.
    remote_*, comm_*
        Walker shells of the remote-sensing and the communication satellites, and the elevation
        above which users see them.
    constellation, remote_constellation
        Files that replace the communication and the remote-sensing shell (see `outside.fleet`);
        empty for none.
    epoch, start_window_s
        Moment of the shells' elements (UTC), and the time after it within which slot 0 begins.
    num_clusters, satellite_items, placement
        K, L_sate, and the rule by which a cluster's head stores a content (see `storage`).
    cross_links, grazing_m, outage
        Links of a remote-sensing satellite to its nearest communication satellites; height that
        inter-satellite links keep; probability that a link is interrupted in a slot.
    frequency_hz .. max_bps_hz
        The radio, see `Radio`.
    rain, rain_mean_db
        Rain attenuation, see `rain`.
    slant
        Distance for users' rates: the shell's ``altitude`` (the paper's) or ``geometric``.
    propagation_m_s, ground_s
        v_a = v_b, and the delay of a ground station, varsigma.
    access
        Who serves a user in a slot: ``single``, the nearest remote-sensing satellite with a
        working link, s0 of the paper's equations (5) to (9); or ``any`` satellite in sight.
    payloads
        ``visible-sar``, the paper's two, or ``all`` of `users.PAYLOADS`.
    miss_draws
        Reference draws over which the law's delay of a miss is averaged, at most
        `REFERENCE_DRAWS`.
    link_states
        Whether instances carry the delay of a miss of every content in every slot, so that
        policies observe that of the slot at hand.
    randomness
        ``pinned``: bits of PCG64 and transforms of our own; ``numpy``: those of its `Generator`.
    user_places, ground_stations, trace
        Files of users' places and regions of interest, of ground stations, and of requests (see
        `outside.places` and `outside.trace`); empty for none.

    Raises
    ------
    InputError
        If a parameter is out of range; names it.
    """

    num_users: Count = 6
    num_contents: Count = 280
    num_slots: Count = 18
    slot_s: Positive = 10.0
    cache_items: Count = 3
    content_bytes: Positive = 100e6
    requests_per_user: Positive = 547 / 6
    beta: AtLeast0 = 1.5
    image_share: Share = 0.5
    freshness: Share = 0.85
    lag_slots: Natural = 1
    pre_lag: Share = 0.1
    num_classes: Count = 16
    code_noise: AtLeast0 = 0.6
    roi_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    burst: AtLeast0 = 1.0
    footprint_deg: Positive = 1.0
    link_up_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    link_down_slots: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    world_seed: Natural = 0
    south_deg: Latitude = 5.0
    north_deg: Latitude = 55.0
    west_deg: Longitude = 65.0
    east_deg: Longitude = 145.0
    remote_altitude_m: Altitude = 656e3
    remote_inclination_deg: float = 98.04
    remote_planes: Count = 20
    remote_per_plane: Count = 15
    remote_phasing: Natural = 12
    remote_raan_span_deg: Literal[180, 360] = 180
    remote_mask_deg: Mask = 10.0
    comm_altitude_m: Altitude = 550e3
    comm_inclination_deg: float = 53.0
    comm_planes: Count = 25
    comm_per_plane: Count = 26
    comm_phasing: Natural = 1
    comm_raan_span_deg: Literal[180, 360] = 360
    comm_mask_deg: Mask = 25.0
    constellation: str = ""
    epoch: str = "2025-03-20T00:00:00"
    start_window_s: AtLeast0 = 86_400.0
    num_clusters: Count = 15
    satellite_items: Count = 3
    placement: Literal["origin", "nearest", "random"] = "nearest"
    cross_links: Natural = 1
    grazing_m: AtLeast0 = 80e3
    outage: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.02
    frequency_hz: Positive = 20e9
    power_w: Positive = 1500.0
    bandwidth_hz: Positive = 500e6
    noise_w_hz: Positive = 5e-20
    gain_tx: Positive = 1e5
    gain_rx: Positive = 1e5
    optics_tx: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    optics_rx: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    max_bps_hz: Positive | None = None
    rain: Literal[
        "constant", "rainy", "beijing-20ghz", "beijing-30ghz", "singapore-20ghz", "london-20ghz"
    ] = "constant"
    rain_mean_db: AtLeast0 = 6.0
    slant: Literal["altitude", "geometric"] = "altitude"
    propagation_m_s: Positive = 3e8
    ground_s: Annotated[float, msgspec.Meta(ge=1e-6, le=1000)] = 1.0
    access: Literal["any", "single"] = "any"
    payloads: Literal["all", "visible-sar"] = "all"
    miss_draws: Annotated[int, msgspec.Meta(ge=1, le=REFERENCE_DRAWS)] = 1
    link_states: bool = False
    randomness: Literal["numpy", "pinned"] = "numpy"
    remote_constellation: str = ""
    user_places: str = ""
    ground_stations: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        _validated(vars(self))
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
    return Scenario(**_validated({**asdict(Scenario()), **given}))


def parse(values: dict[str, Any]) -> Scenario:
    """Return a scenario from values that may be texts, such as ``"0.5"``."""
    return Scenario(**_validated(values, strict=False))


@cache
def _schema() -> type[msgspec.Struct]:
    return msgspec.defstruct("Parameters", list(_hints().items()))


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Scenario, include_extras=True)


def _validated(values: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    try:
        checked = msgspec.convert(values, _schema(), strict=strict)
    except msgspec.ValidationError as error:
        path, expected = explain(error)
        choices = get_args(_hints().get(path))
        if expected.startswith("Invalid enum"):
            expected = f"expected one of {', '.join(map(str, choices))}, found {values[path]!r}"
        raise InputError(path, expected[0].lower() + expected[1:]) from None
    return msgspec.structs.asdict(checked)


def _expect(ok: bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, f"expected {expected}")


def _check_shell(name: str, shell: Shell) -> None:
    _expect(shell.phasing < shell.planes, name, f"a value below {shell.planes}")
    apart = minimum_separation_m(shell)
    limit = f"a phasing that keeps satellites {CLOSEST_M / 1e3:g} km apart"
    _expect(apart >= CLOSEST_M, name, f"{limit}, found {apart / 1e3:.1f} km")
