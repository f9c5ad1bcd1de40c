"""Satellites known by tables of their positions, and what lies between the tables' rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.physics.frames import Array, j2000_to_ecef, teme_to_ecef

Method = Literal["linear", "lagrange", "hermite"]
Frame = Literal["fixed", "teme", "j2000"]

DEFAULT: tuple[Method, int] = ("lagrange", 6)  # of a file that declares nothing: degree 5
MAX_POINTS = 32  # beyond it polynomials through equally spaced points swing at the ends
_SLACK_S = 1e-3  # Julian days in double precision tell 40 microseconds
_DAY_S = 86_400.0


@dataclass(frozen=True, eq=False)
class Piece:
    """Positions over a span of time without a break.

    Parameters
    ----------
    epoch_jd, time_s
        Julian day (UTC), and the moments after it, ascending, shape (n,).
    position_m, velocity_m_s
        In `frame`, shape (n, 3); velocities only where there are any.
    frame
        Earth-fixed, true equator and mean equinox of date, or mean equator and equinox of J2000.
    method, points
        Interpolation, and how many of the rows nearest to a moment it takes.
    usable_s
        First and last moment to be asked for, after `epoch_jd`.
    """

    epoch_jd: float
    time_s: Array
    position_m: Array
    velocity_m_s: Array | None
    frame: Frame
    method: Method
    points: int
    usable_s: tuple[float, float]

    def earth_fixed_m(self, time_s: Array) -> Array:
        """Return positions at moments after `epoch_jd`, all in the span, shape (times, 3)."""
        first = np.searchsorted(self.time_s, time_s) - self.points // 2
        first = np.clip(first, 0, len(self.time_s) - self.points)
        rows = first[:, None] + np.arange(self.points)
        at, position = self.time_s[rows], self.position_m[rows]
        if self.method == "hermite" and self.velocity_m_s is not None:
            found = hermite(at, position, self.velocity_m_s[rows], time_s)
        else:
            found = lagrange(at, position, time_s)
        if self.frame == "fixed":
            return found
        turned = teme_to_ecef if self.frame == "teme" else j2000_to_ecef
        days = self.epoch_jd + time_s / _DAY_S
        return np.array([turned(x, day) for x, day in zip(found, days, strict=True)])


@dataclass(frozen=True, eq=False)
class Track:
    """A satellite.

    Parameters
    ----------
    name, source
        Name, and the file that it comes from.
    pieces
        In order of time.
    """

    name: str
    source: str
    pieces: tuple[Piece, ...]

    @property
    def span_jd(self) -> tuple[float, float]:
        """First and last moment, Julian days (UTC)."""
        first, last = self.pieces[0], self.pieces[-1]
        return (
            first.epoch_jd + first.usable_s[0] / _DAY_S,
            last.epoch_jd + last.usable_s[1] / _DAY_S,
        )

    def earth_fixed_m(self, epoch_jd: float, time_s: Array) -> Array:
        """Return positions at moments after a Julian day (UTC), shape (times, 3).

        Raises
        ------
        InputError
            If a moment is in none of the pieces.
        """
        found = np.full((len(time_s), 3), math.nan)
        for piece in self.pieces:
            since = time_s + (epoch_jd - piece.epoch_jd) * _DAY_S
            low, high = piece.usable_s
            mine = (since >= low - _SLACK_S) & (since <= high + _SLACK_S) & np.isnan(found[:, 0])
            if mine.any():
                found[mine] = piece.earth_fixed_m(np.clip(since[mine], low, high))
        lost = np.isnan(found[:, 0])
        if lost.any():
            moment = epoch_jd + float(time_s[np.argmax(lost)]) / _DAY_S
            rule = f"expected positions of {self.name} at the Julian day {moment:.6f}, found none"
            raise InputError("", rule, self.source)
        return found


@dataclass(frozen=True, eq=False)
class Tracks:
    """Satellites by their tracks."""

    tracks: tuple[Track, ...]

    def __len__(self) -> int:
        """Return the number of satellites."""
        return len(self.tracks)

    @property
    def span_jd(self) -> tuple[float, float]:
        """First and last moment at which all are known, Julian days (UTC)."""
        spans = [track.span_jd for track in self.tracks]
        return max(a for a, _ in spans), min(b for _, b in spans)

    def earth_fixed_m(self, epoch_jd: float, time_s: Array) -> Array:
        """Return positions at moments after a Julian day, shape (times, satellites, 3)."""
        return np.stack([track.earth_fixed_m(epoch_jd, time_s) for track in self.tracks], axis=1)


def piece(
    epoch_jd: float,
    rows: Sequence[Sequence[float]],
    frame: Frame,
    interpolation: tuple[Method, int],
    source: str,
    line: int,
    usable_s: tuple[float, float] | None = None,
) -> Piece:
    """Return a piece from rows of time, position in metres and, perhaps, velocity.

    Parameters
    ----------
    source, line
        File, and the line where the piece is declared.
    usable_s
        Span to be asked for; by default that of the rows.

    Raises
    ------
    InputError
        If there are fewer rows than the interpolation takes.
    """
    method, points = interpolation
    if len(rows) < points:
        rule = f"expected at least {points} rows, which {method} interpolation takes"
        raise InputError(f"line {line}", f"{rule}, found {len(rows)}", source)
    table: NDArray[np.float64] = np.array(rows, dtype=float)
    velocity = table[:, 4:7] if table.shape[1] >= 7 else None
    span = (float(table[0, 0]), float(table[-1, 0]))
    whole = span if usable_s is None else usable_s
    return Piece(epoch_jd, table[:, 0], table[:, 1:4], velocity, frame, method, points, whole)


def lagrange(at: Array, value: Array, moment: Array) -> Array:
    """Return the polynomials through n points each at a moment each.

    Parameters
    ----------
    at, value, moment
        Shapes (times, n), (times, n, 3) and (times,).
    """
    found: Array = np.einsum("mn,mnk->mk", _basis(at, moment), value)
    return found


def hermite(at: Array, value: Array, slope: Array, moment: Array) -> Array:
    """Return the polynomials through n points with given slopes at a moment each; as `lagrange`."""
    square = _basis(at, moment) ** 2
    away = moment[:, None] - at
    gap = at[:, :, None] - at[:, None, :]
    gap[:, np.arange(at.shape[1]), np.arange(at.shape[1])] = np.inf
    own = (1 - 2 * away * (1 / gap).sum(axis=2)) * square
    found: Array = np.einsum("mn,mnk->mk", own, value)
    found += np.einsum("mn,mnk->mk", away * square, slope)
    return found


def _basis(at: Array, moment: Array) -> Array:
    """Return Lagrange's basis polynomials of n points at a moment, shape (times, n)."""
    n = at.shape[1]
    basis = np.ones_like(at)
    for j in range(n):
        for i in range(n):
            if i != j:
                basis[:, j] *= (moment - at[:, i]) / (at[:, j] - at[:, i])
    return basis
