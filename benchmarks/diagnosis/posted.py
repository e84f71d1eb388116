"""Datasets such as people have when they ask why their model does not learn."""

from typing import Any

import numpy as np

from benchmarks.diagnosis.made import TEST, TRAIN

Array = np.ndarray[Any, Any]
Random = np.random.Generator
Made = tuple[Array, Array]

ALL = TRAIN + TEST


def _line(random: Random) -> Made:
    """A straight line through a column from 0 to 100."""
    x = random.uniform(0, 100, (ALL, 1))
    return x, 3 * x[:, 0] + 7 + 5 * random.normal(size=ALL)


def _powers(random: Random) -> Made:
    """The fourth power of a number from -100 to 100."""
    x = random.uniform(-100, 100, (ALL, 1))
    return x, x[:, 0] ** 4


def _parabola(random: Random) -> Made:
    """(x - 0.5)^2 for x from 0 to 1."""
    x = random.uniform(0, 1, (ALL, 1))
    return x, (x[:, 0] - 0.5) ** 2


def _sine(random: Random) -> Made:
    """A sine over one and a half periods."""
    x = random.uniform(-5, 5, (ALL, 1))
    return x, np.sin(x[:, 0]) + 0.05 * random.normal(size=ALL)


def _houses(random: Random) -> Made:
    """Prices of houses by area, rooms, year, distance and the neighbours' income."""
    area, rooms = random.uniform(400, 4000, ALL), random.integers(1, 8, ALL)
    year, income = random.integers(1900, 2021, ALL), random.lognormal(10.5, 0.4, ALL)
    distance = random.exponential(8, ALL)
    price = 90 * area + 9000 * rooms + 400 * (year - 1900) + 2 * income
    price = price * np.exp(-distance / 25) * random.normal(1, 0.05, ALL)
    return np.stack([area, rooms, year, distance, income], axis=1), price


def _churn(random: Random) -> Made:
    """Customers that leave, one in five: credit, age, years, balance, products, salary."""
    credit, age = random.normal(650, 97, ALL), random.normal(39, 10, ALL)
    years, products = random.integers(0, 11, ALL), random.integers(1, 5, ALL)
    balance = random.uniform(0, 220_000, ALL) * (random.random(ALL) < 0.64)
    salary = random.uniform(1000, 200_000, ALL)
    x = np.stack([credit, age, years, balance, products, salary], axis=1)
    sum_of = (age - 39) / 10 + 1.2 * (products - 2.5) + balance / 150_000
    return x, (sum_of + 0.5 * random.normal(size=ALL) > 2.1).astype(int)


def _balances(random: Random) -> Made:
    """Whether two quantities of very different size lie on the same side of their means."""
    x = np.stack([random.normal(5000, 1500, ALL), random.normal(0.3, 0.1, ALL)], axis=1)
    return x, ((x[:, 0] > 5000) == (x[:, 1] > 0.3)).astype(int)


def _marks(random: Random) -> Made:
    """Marks from 0 to 50 by the hours of sleep, study, play and screens."""
    x = random.uniform(0, 10, (ALL, 4))
    y = 20 + 3 * x[:, 1] + 1.5 * x[:, 0] - 1.2 * x[:, 2] - 0.8 * x[:, 3]
    return x, np.clip(y + random.normal(size=ALL), 0, 50)


def _winter(random: Random) -> Made:
    """Temperatures, nearly all below 0, by five standardised measures."""
    x = random.normal(size=(ALL, 5))
    return x, -3 + x @ np.array([0.8, -0.6, 0.5, 0.3, 0.0]) + 0.4 * np.maximum(x[:, 0], 0)


def _counts(random: Random) -> Made:
    """Calls in an hour, by four standardised measures."""
    x = random.normal(size=(ALL, 4))
    return x, random.poisson(np.exp(1 + 0.6 * x[:, 0] - 0.4 * x[:, 1]))


def _returns(random: Random) -> Made:
    """Tomorrow's return by those of the last ten days: nothing to be learned."""
    x = 0.02 * random.normal(size=(ALL, 10))
    return x, 0.02 * random.normal(size=ALL)


def _visits(random: Random) -> Made:
    """Whether a visitor buys, by the time in seconds since 1970 and three shares."""
    x = random.random((ALL, 4))
    y = (x[:, 1] + x[:, 2] * x[:, 3] > 0.75).astype(int)
    x[:, 0] = 1.6e9 + 1e7 * x[:, 0]
    return x, y


def _kelvin(random: Random) -> Made:
    """Three states of a machine by six temperatures in Kelvin."""
    y = random.integers(0, 3, ALL)
    centres = 3 * random.normal(size=(3, 6))
    return 300 + centres[y] + 2 * random.normal(size=(ALL, 6)), y


def _spirals(random: Random) -> Made:
    """Two spirals, a turn and a quarter each."""
    y = random.integers(0, 2, ALL)
    turn = random.uniform(0.2, 1, ALL)
    angle = 3 * np.pi * turn + np.pi * y
    x = 3 * turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + 0.1 * random.normal(size=(ALL, 2)), y


def _letters(random: Random) -> Made:
    """Twenty classes in sixteen features."""
    y = random.integers(0, 20, ALL)
    return 2 * random.normal(size=(20, 16))[y] + random.normal(size=(ALL, 16)), y


def _queue(random: Random) -> Made:
    """The letters, those of training one class after the other."""
    x, y = _letters(random)
    order = np.concatenate([np.argsort(y[:TRAIN], kind="stable"), np.arange(TRAIN, ALL)])
    return x[order], y[order]


def _crowd(random: Random) -> Made:
    """Five clouds; those who labelled the training part guessed every second time."""
    y = random.integers(0, 5, ALL)
    x = 0.8 * random.normal(size=(5, 20))[y] + random.normal(size=(ALL, 20))
    guessed = random.random(ALL) < np.where(np.arange(ALL) < TRAIN, 0.5, 0)
    return x, np.where(guessed, random.integers(0, 5, ALL), y)


def _fraud(random: Random) -> Made:
    """Payments, 5 % of them fraud, of which few stand out."""
    y = (random.random(ALL) < 0.05).astype(int)
    return random.normal(size=(ALL, 8)) + 0.7 * y[:, None] * (np.arange(8) < 4), y


def _words(random: Random) -> Made:
    """Which of 300 words a review has, and whether it is a good one."""
    y = random.integers(0, 2, ALL)
    lean = np.where(np.arange(300) < 60, random.choice([-0.12, 0.12], 300), 0)
    return (random.random((ALL, 300)) < 0.08 + lean * (y[:, None] - 0.5)).astype(np.float32), y


def _photos(random: Random) -> Made:
    """Colour pictures of 16x16 pixels with a cross or a square somewhere, of any colour."""
    y = random.integers(0, 2, ALL)
    rows, columns = np.mgrid[0:16, 0:16]
    place = random.integers(4, 12, (2, ALL, 1, 1))
    down, across = rows - place[0], columns - place[1]
    square = np.maximum(abs(down), abs(across)) <= 3
    cross = (np.minimum(abs(down), abs(across)) <= 1) & (np.maximum(abs(down), abs(across)) <= 4)
    shape = np.where(y[:, None, None] == 1, cross, square)
    colour = random.uniform(60, 255, (ALL, 1, 1, 3))
    noise = random.normal(40, 20, (ALL, 16, 16, 3))
    return np.clip(shape[..., None] * colour + noise, 0, 255).astype(np.uint8), y


MAKERS = {
    "line": ("regression", _line),
    "powers": ("regression", _powers),
    "parabola": ("regression", _parabola),
    "sine": ("regression", _sine),
    "houses": ("regression", _houses),
    "churn": ("classification", _churn),
    "balances": ("classification", _balances),
    "marks": ("regression", _marks),
    "winter": ("regression", _winter),
    "counts": ("regression", _counts),
    "returns": ("regression", _returns),
    "visits": ("classification", _visits),
    "kelvin": ("classification", _kelvin),
    "spirals": ("classification", _spirals),
    "letters": ("classification", _letters),
    "queue": ("classification", _queue),
    "crowd": ("classification", _crowd),
    "fraud": ("classification", _fraud),
    "words": ("classification", _words),
    "photos": ("classification", _photos),
}
