"""What lies beside a saved result is on its cards: a replication, a causal card."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from synthetic_result import CONSTANT, PLANTED, SCRIPT, SEPARATED

from lens_probes.ablation import CausalCard
from lens_probes.errors import InputError
from lens_probes.replication.replication import Replication
from lens_probes.report.html import report_html
from lens_probes.report.since import causal_lines, replication_lines, saved_replication
from lens_probes.sweep_result import SweepResult

EFFECTS = {"kl": 0.000123, "kl_low": 0.0001, "kl_high": 0.0016, "loss_after": -0.5,
           "loss_after_low": np.nan, "loss_after_high": 0.25,
           "p": 0.012, "n_nulls": 79}  # fmt: skip


def card():
    """What a causal card holds of one unit and of one set."""
    unit = {"name": PLANTED, "verdict": "used", "why": f"it {SCRIPT} matters"}
    one_set = {"layer": 3, "site": "q", "k": 20, "verdict": "undecided", "why": "too few"}
    units = pd.DataFrame([unit | EFFECTS])
    sets = pd.DataFrame([one_set | EFFECTS | {"p": np.nan, "loss_after": np.nan}])
    return SimpleNamespace(units=units, sets=sets, verdict="undecided", why="L3.q: too few")


def replication(result, digest=None):
    t = result.units["t"].to_numpy(float)
    units = result.units[["name", "layer", "site", "unit"]].assign(
        t1=t, t2=-0.5 * t, significant1=result.units["significant"], group="first"
    )
    lines = pd.DataFrame({"kind": ["new words"], "n": ["9 v 9"], "n_words": ["3 v 3"],
                          "sign_agreement": [0.0], "note": [""]})  # fmt: skip
    examples = dict(result.provenance["examples"])
    examples["sha256"] = digest or examples["sha256"]
    second = {"origin": {}, "counts": {"drawn": 18}, "sha256": "12" * 32}
    said = {"first": {"examples": examples, "decision": result.provenance["decision"]}}
    return Replication(lines, units, said | {"second": second, "model": result.provenance["model"]})


def test_a_unit_of_the_causal_card():
    verdict, measured = causal_lines(card(), PLANTED)
    assert verdict == f"Used: it {SCRIPT} matters."
    assert measured == (
        "Without this unit the next-token distribution moves by 0.00012 nats [95 %: 0.0001 to "
        "0.0016]. The loss after it changes by −0.5 nats [95 %: – to 0.25]. Against 79 random "
        "units p = 0.012."
    )


def test_a_unit_that_was_not_ablated_says_so_and_other_layers_say_nothing():
    (said,) = causal_lines(card(), SEPARATED)
    assert said == (
        "This unit was not taken away: it is not among the 20 top units of L3.q on the half of "
        "the examples that units were chosen on. Those units together: undecided: too few."
    )
    assert causal_lines(card(), "L2.q.0") == ()


def test_the_answer_and_the_cautions_say_what_the_card_found(result, tmp_path, monkeypatch):
    run = result.save(tmp_path / "run")
    loaded = SweepResult.load(run)
    before = Page(report_html(loaded)).all("main")[0].text
    assert "Does the model use them?" not in before
    assert "nothing here intervenes on it" in before
    (run / "causal").mkdir()
    monkeypatch.setattr(CausalCard, "beside", lambda _: card())
    after = Page(report_html(loaded)).all("main")[0].text
    assert "Does the model use them? Undecided: L3.q: too few." in after
    assert "nothing here intervenes on it" not in after
    assert f"it {SCRIPT} matters." in after
    assert "intervention on the units (" not in after


def test_a_replication_says_sign_and_significance(result):
    t = result.units.set_index("name")["t"][PLANTED]
    (said,) = replication_lines(replication(result), PLANTED)
    shown = f"{-0.5 * t:.2f}".replace("-", "−"), f"{t:.2f}"
    assert said == (
        f"On new examples t = {shown[0]}, in the first sweep {shown[1]}: the other sign, "
        "significant in the first sweep only."
    )
    assert replication_lines(replication(result), CONSTANT) == ()
    assert replication_lines(replication(result), "L9.q.9") == ()


def test_a_saved_replication_is_in_the_report_of_its_sweep(result, tmp_path):
    run = result.save(tmp_path / "run")
    before = SweepResult.load(run)
    assert saved_replication(before) is None
    assert "Replication" not in before.write_report(tmp_path / "before.html").read_text("utf-8")
    replication(result).save(run / "replication")
    page = Page(SweepResult.load(run).write_report(tmp_path / "r.html").read_text("utf-8"))
    assert "Replication" in [e.text for e in page.all("h2")]
    (shown,) = (e for e in page.all("details") if e.attributes.get("id") == f"card-{PLANTED}")
    assert "On new examples t = " in shown.text
    assert "replication on new examples" not in page.all("main")[0].text


def test_a_replication_of_another_sweep_or_a_broken_one_is_refused(result, tmp_path):
    run = result.save(tmp_path / "run")
    same = replication(result)
    weights = {**same.provenance["model"], "weights_sha256": "00" * 32}
    fewer = same.units.assign(significant1=False)
    for other, match in (
        (replication(result, digest="00" * 32), "examples"),
        (replace(same, provenance={**same.provenance, "model": weights}), "weights"),
        (replace(same, units=same.units[1:]), "units, or with others significant"),
        (replace(same, units=fewer), "units, or with others significant"),
    ):
        shutil.rmtree(run / "replication", ignore_errors=True)
        other.save(run / "replication")
        with pytest.raises(InputError, match=f"replicates a sweep of other {match}: move it"):
            SweepResult.load(run).write_report(tmp_path / "r.html")
    (run / "replication" / "replication.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"replication\.json has changed since it was written"):
        SweepResult.load(run).write_report(tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_causal_card_of_another_sweep_is_refused(result, tmp_path):
    run = result.save(tmp_path / "run")
    measured = {"apart": ["word"], "n_chosen": 9, "n_left_out": 0, "n_measured": [4, 5],
                "n_passages_measured": 9}  # fmt: skip
    options = {"top": 20, "kind": "mean", "positions": "read", "n_nulls": 99, "n_windows": 9,
               "after": 2, "alpha": 0.05, "seed": 0, "sites": ["q"], "layers": [3]}  # fmt: skip
    said = {"examples": result.provenance["examples"] | measured, "sweep": None, "notes": [],
            "model": result.provenance["model"], "options": options, "method": 2}  # fmt: skip
    empty = [pd.DataFrame({"kl": [0.0]})] * 5
    for there, match in (
        (said, None),
        (
            said | {"examples": said["examples"] | {"sha256": "00" * 32}},
            "is of other examples: move it out of",
        ),
        (
            said | {"model": said["model"] | {"weights_sha256": "00" * 32}},
            "is of other weights: move it out of",
        ),
    ):
        saved = CausalCard("undecided", "too few", *empty, provenance=there).save(run / "causal")
        loaded = SweepResult.load(run)
        if match is None:
            assert loaded.causal.why == "too few"
        else:
            with pytest.raises(InputError, match=match):
                _ = loaded.causal
        shutil.rmtree(saved)
