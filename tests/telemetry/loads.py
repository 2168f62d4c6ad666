"""Loads of request times in seconds, and the exact percentiles of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

Times = np.ndarray
POINTS = [0.5, 0.75, 0.9, 0.95, 0.99]


def lognormal(random: np.random.Generator, size: int) -> Times:
    return random.lognormal(-3, random.uniform(0.1, 2.5), size)


def bimodal(random: np.random.Generator, size: int) -> Times:
    """Cached and computed answers; the share of the fast is often exactly at a percentile that is asked for."""
    share = random.choice([0.5, 0.75, 0.9, 0.95, 0.99, random.uniform(0, 1)])
    fast = random.normal(0.01, 0.0005, size).clip(0.001)
    return np.where(np.arange(size) < share * size, fast, random.normal(2, 0.1, size).clip(0.1))


def constant(random: np.random.Generator, size: int) -> Times:
    return np.full(size, 10 ** random.uniform(-5, 4))


def heavy_tailed(random: np.random.Generator, size: int) -> Times:
    return (random.pareto(random.uniform(0.3, 2), size) + 0.001).clip(0, 1e6)


def discrete(random: np.random.Generator, size: int) -> Times:
    """Few values, far apart: time-outs."""
    return random.choice([0.0, 0.001, 0.01, 1.0, 60.0], size)


LOADS = {load.__name__: load for load in (lognormal, bimodal, constant, heavy_tailed, discrete)}


@st.composite
def loads(draw: st.DrawFn, max_size: int = 3000) -> Times:
    """Draw a load in the order of arrival."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    times = LOADS[draw(st.sampled_from(sorted(LOADS)))](random, draw(st.integers(1, max_size)))
    random.shuffle(times)
    return times


def parts_of(times: Times, random: np.random.Generator, count: int) -> list[list[float]]:
    """Return the times cut at random places, in random order; some parts may be empty."""
    cuts = sorted(random.integers(0, len(times) + 1, count - 1))
    parts = [part.tolist() for part in np.split(times, cuts)]
    random.shuffle(parts)
    return parts


def exact(times: Times) -> list[float]:
    return [float(value) for value in np.quantile(times, POINTS)]
