"""What every result has in common."""

import dataclasses
import re
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

from lens_probes import stats

WORD = np.repeat(np.arange(12), 5)
Y = (WORD > 5).astype(int)
FOLD = stats.folds_by_word(Y, WORD, n_folds=3)
RESULTS = {
    "moments": lambda x: stats.moments(x, Y),
    "ttest": lambda x: stats.ttest(x, Y),
    "logistic": lambda x: stats.logistic(x, Y),
    "firth": lambda x: stats.firth(x, Y),
    "auc": lambda x: stats.auc(x, Y),
    "correlation": lambda x: stats.correlation(x, Y + 0.1 * WORD),
    "word_level": lambda x: stats.word_level(x, Y, WORD),
    "max_permutation": lambda x: stats.max_permutation(x, Y, groups=WORD, n_permutations=50),
    "adjusted_test": lambda x: stats.adjusted_test(x, Y, groups=WORD, n_draws=50),
    "nulls": lambda x: stats.relabel_words_null(x, Y, WORD, alpha_unit=0.1, n=5),
    "max_permutation r": lambda x: stats.max_permutation(x, WORD, groups=WORD, n_permutations=50),
    "word_level_r": lambda x: stats.word_level_r(x, WORD, WORD),
    "word_level_paired": lambda x: stats.word_level_paired(x, np.arange(60) % 2, WORD),
    "nulls r": lambda x: stats.relabel_words_null_r(x, WORD, WORD, alpha_unit=0.1, n=5),
    "heldout_r": lambda x: stats.heldout_r(x, WORD, FOLD),
    "paired": lambda x: stats.paired(x, Y),
    "shrink": lambda x: stats.shrink(np.where(np.ptp(x, 0) > 0, x[0], np.nan), np.ones(x.shape[1])),
    "group_effects": lambda x: stats.group_effects(x, Y, WORD),
    "heldout_auc": lambda x: stats.heldout_auc(x, Y, WORD, FOLD),
    "heldout_direction": lambda x: stats.heldout_direction(x, Y, FOLD),
}
LENGTHS = dict.fromkeys(("families", "threshold", "threshold_low", "threshold_high"), 1) | {
    "share": 5,
    "largest": 5,
    "weight": None,
    "sd": None,
}


@pytest.mark.parametrize("name", RESULTS)
def test_fields_have_the_declared_type_and_one_value_a_unit(name):
    x = np.random.default_rng(0).normal(size=(60, 7))
    result = RESULTS[name](x)
    for field, hint in typing.get_type_hints(type(result)).items():
        value = getattr(result, field)
        assert isinstance(value, hint), field
        if isinstance(value, np.ndarray):
            length = LENGTHS.get(field, 7)
            assert value.shape == (length,) or length is None, field
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, field, None)


@pytest.mark.parametrize("name", RESULTS)
def test_a_constant_unit_has_no_p_value_and_beside_each_p_stands_its_log(name):
    x = np.random.default_rng(0).normal(size=(60, 7))
    x[:, 3] = 0.1
    values = vars(RESULTS[name](x))
    for field in values:
        of_units = field.endswith("_p") and isinstance(values[field], np.ndarray)
        if of_units and not field.startswith("log10_"):
            assert np.isnan(values[field][3])
            log10_p = values[f"log10_{field}"]
            np.testing.assert_allclose(10**log10_p, values[field], rtol=1e-12)


def test_the_statistics_import_nothing_else_of_the_package_and_never_print():
    """But errors, and what makes arrays of a user's numbers, which import nothing else either."""
    folder = Path(stats.__file__).parent
    beneath = [folder.parent / f"{name}.py" for name in ("arrays", "errors")]
    for path in [*folder.glob("*.py"), *beneath]:
        source = path.read_text()
        code = re.sub(r"^ *>>> .*$", "", source, flags=re.MULTILINE)  # what examples import
        named = set(re.findall(r"\blens_probes\b(?:\.\w+)?", code))
        allowed = {f"lens_probes.{one.stem}" for one in beneath}
        assert named <= (allowed if path in beneath else allowed | {"lens_probes.stats"}), path
        assert "print(" not in source
    loaded = (
        "import sys, lens_probes.stats; of = {name.partition('.')[0] for name in sys.modules}; "
        "ours = {name.split('.')[1] for name in sys.modules if name.startswith('lens_probes.')}; "
        "print(*sorted(ours), *(of & {'torch', 'transformers', 'transformer_lens', 'plotly'}))"
    )
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["arrays", "errors", "stats"]
    assert stats.__all__ == sorted(stats.__all__)
