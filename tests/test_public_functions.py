"""Every public function x whatever a user may pass: a right answer, or one InputError line.

All tries are about 16,000 and take minutes; here a sample is drawn, which `FUZZ` makes longer
(`make torture`), from one seed, so that it is the same every time.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from public_functions import ALL, ODD, STATS, functions, sound, tries

import lens_probes as lp
from lens_probes.errors import InputError

FUZZ = int(os.environ.get("FUZZ", "20"))
N_TRIES = {"stats": 75 * FUZZ, "maximize": 10 * FUZZ, "residual": 10 * FUZZ}
SECONDS = 30  # for one try: beyond, it has no end
pytestmark = pytest.mark.model


@pytest.fixture
def bounded() -> Iterator[None]:
    """An error where a try does not come back."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError("no end")

    usual = signal.signal(signal.SIGALRM, stop)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, usual)


def outcome(call: Callable[[], object]) -> str:
    """`answered`, or `refused` for an InputError of one short line; all else is told in words."""
    if hasattr(signal, "SIGALRM"):
        signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except InputError as error:
        said = str(error)
        return "refused" if 0 < len(said) <= 400 and said.isprintable() else f"said {said!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "answered"


@pytest.mark.parametrize("area", ["stats", "maximize", "residual"])
def test_every_public_function_is_in_the_list_and_takes_what_it_should(
    area: str, tiny_model: lp.LensModel
) -> None:
    ((_, module, of_area),) = (one for one in ALL if one[0] == area)
    assert set(functions(module)) == set(of_area)
    for name, given in of_area.items():
        getattr(module, name)(**sound(module, name, given, tiny_model))


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("area", N_TRIES)
def test_a_public_function_given_anything(
    area: str, tiny_model: lp.LensModel, record_property: Callable[[str, object], None]
) -> None:
    every = [one for one in tries(tiny_model) if one[0].startswith(f"{area}.")]
    drawn = np.random.default_rng(0).permutation(len(every))[: N_TRIES[area]]
    found: Counter[str] = Counter()
    for i in drawn.tolist():
        name, function, usual, argument, odd = every[i]
        said = outcome(lambda: function(**{**usual, argument: ODD[odd]()}))  # noqa: B023
        assert said in ("answered", "refused"), f"{name}({argument}={odd}): {said}"
        found[said] += 1
    assert found["refused"] > found["answered"] > 0
    record_property(f"tries of {area}", dict(found))


@pytest.mark.parametrize(
    "option", ["n_permutations", "n_draws", "n_folds", "n_pairings", "n_knots", "n", "min_per_word"]
)
def test_a_number_beyond_all_sense_is_one_line(option: str, tiny_model: lp.LensModel) -> None:
    of_area = [name for name, given in STATS.items() if option in given]
    assert of_area
    for name in of_area:
        for value in (10**9 + 1, 2**63, 10**30):
            with pytest.raises(InputError, match=rf"{option} must be [\d,]+ or fewer"):
                getattr(lp.stats, name)(**{**STATS[name], option: value})


def test_thousands_of_groups_have_a_resolution() -> None:
    """The number of relabellings has more digits than Python prints."""
    found = lp.stats.resolution("max_t", n_groups0=9_000, n_groups1=9_000)
    assert found.ok
    assert found.message.startswith("1e+100 or more relabellings of 9000 and 9000 groups")
