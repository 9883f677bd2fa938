"""Log tails against mpmath, far beyond where p itself underflows."""

import mpmath as mp
import numpy as np
import pytest
from scipy import special

from lens_probes.stats.tails import (
    chi2_tail,
    log_gamma_half_step,
    normal_tail,
    student_tail,
)


def exact_student(t, dof):
    """log10 of the two-sided tail by quadrature of the density in 30 digits."""
    with mp.workdps(30):
        t, dof = mp.mpf(t), mp.mpf(dof)
        front = 1 / mp.sqrt(dof) / mp.beta(dof / 2, mp.mpf(1) / 2)

        def density(s):
            return front * (1 + s * s / dof) ** (-(dof + 1) / 2)

        if t < 1:
            return float(mp.log10(1 - 2 * mp.quad(density, [0, t])))
        width = (dof + t * t) / ((dof + 1) * t)
        edges = [t + width * k for k in (0, 1, 4, 16, 64, 1000)]
        top = density(t)
        area = mp.quad(lambda s: density(s) / top, [*edges, mp.inf])
        return float(mp.log10(2 * top * area))


@pytest.mark.parametrize("dof", [2, 3.7, 10, 41.5, 598, 1e4, 1e5])
def test_student_equals_mpmath(dof):
    t = np.array([1e-6, 0.01, 0.5, 1.7, 1.8, 4.0, 12.0, 45.0, 300.0])
    want = [exact_student(v, dof) for v in t]
    p, log10_p = student_tail(-t, dof)
    np.testing.assert_allclose(log10_p, want, rtol=2e-11)
    seen = np.array(want) > -290
    np.testing.assert_allclose(p[seen], 2 * special.stdtr(dof, -t[seen]), rtol=1e-9)


def test_normal_and_chi_square_equal_mpmath():
    z = np.array([1e-6, 0.3, 0.999, 1.0, 2.0, 8.0, 37.0, 39.0, 1e4])
    with mp.workdps(30):
        want = [float(mp.log10(mp.erfc(mp.mpf(v) / mp.sqrt(2)))) for v in z]
    np.testing.assert_allclose(normal_tail(-z)[1], want, rtol=1e-12)
    np.testing.assert_allclose(chi2_tail(z**2)[1], want, rtol=1e-12)


def test_tails_beyond_the_smallest_double_still_rank():
    _, log10_p = student_tail([60.0, 90.0], 598)
    assert log10_p[1] < log10_p[0] < -200
    p, log10_p = normal_tail([37.0, 43.5])
    assert p[1] == 0
    assert log10_p[1] < -410 < -300 < log10_p[0]


def test_special_values():
    for tail in (lambda v: student_tail(v, 5.0), normal_tail):
        p, log10_p = tail([0.0, np.inf, -np.inf, np.nan])
        np.testing.assert_array_equal(p, [1, 0, 0, np.nan])
        np.testing.assert_array_equal(log10_p, [0, -np.inf, -np.inf, np.nan])
    assert student_tail(np.inf, np.nan)[0] == 0
    assert np.isnan(student_tail(2.0, np.nan)[1])
    assert student_tail(1e200, 4.0)[1] == pytest.approx(np.log10(6) - 800, rel=1e-12)


@pytest.mark.parametrize("a", [0.3, 1.0, 7.5, 19.9, 20.1, 300.0, 5e4])
def test_the_gamma_ratio_equals_mpmath(a):
    with mp.workdps(30):
        want = float(mp.loggamma(mp.mpf(a) + mp.mpf(1) / 2) - mp.loggamma(mp.mpf(a)))
    assert log_gamma_half_step(a) == pytest.approx(want, abs=3e-15, rel=3e-14)
