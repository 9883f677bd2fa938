"""Every sentence with a number that a report on the residual stream may have, and what it must be.

The source is a `Finding`: its tables and numbers, and under `numbers["measured"]` what is in none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from caption_claims import N, Named, T, three

from lens_probes.drawing.page import Finding

Claim = Callable[[Finding, Named], list[float]]


def _errors(f: Finding, _: Named) -> list[float]:
    layers = f.tables["layers"]
    worst = layers.loc[layers["sum_error"].idxmax()]
    return [worst["sum_error"], len(layers), worst["layer"]]


def _hidden(f: Finding, _: Named) -> list[float]:
    said = f.numbers["hidden_states"]
    hook = three(said["logit_error_hook"])
    return [100 * said["norm_changes"], said["logit_error_normed"], hook]


def _raw(f: Finding, _: Named) -> list[float]:
    return [f.tables["layers"]["r"].median()]


def _masked(f: Finding, named: Named) -> list[float]:
    masked = f.tables["layers"].set_index("layer")["r_masked"]
    return [*_raw(f, named), masked.median(), masked.idxmin(), masked.min()]


def _at_sinks(f: Finding, _: Named) -> list[float]:
    """Over layers that a sink enters or leaves."""
    r = f.numbers["measured"]["states"].r
    places = {
        (layer, one["sequence"], one["position"])
        for one in f.numbers["sinks"]
        for layer in (one["state"] - 1, one["state"])
        if 0 <= layer < len(r)
    }
    assert len(places) == f.tables["layers"]["n_sinks"].sum()
    return [float(np.median([r[place] for place in places]))]


def _sinks(f: Finding, _: Named) -> list[float]:
    """Of each position the state where it is longest, the longest first; four are named."""
    longest: dict[int, dict[str, float]] = {}
    for one in sorted(f.numbers["sinks"], key=lambda one: -one["ratio"]):
        longest.setdefault(one["position"], one)
    said = [longest[k][name] for k in list(longest)[:4] for name in ("position", "ratio", "state")]
    return said + [len(longest) - 4] * (len(longest) > 4)


def _steps(f: Finding, _: Named) -> list[float]:
    layers = f.tables["layers"]
    most = layers.loc[layers["step"].idxmax()]
    more = (layers["mlp"] > layers["attention"]).sum()
    return [more, len(layers), most["layer"], 100 * most["step"]]


def _later_steps(f: Finding, named: Named) -> list[float]:
    later = f.tables["layers"].set_index("layer")["step"].drop(0)
    return [*_steps(f, named), later.idxmax(), 100 * later.max()]


def _tokens(f: Finding, _: Named) -> list[float]:
    r = f.numbers["measured"]["tokens"].r
    others = r[1:, 1:]
    apart = others[~np.eye(len(others), dtype=bool)]
    means = [float(r[0, 1:].mean()), float(apart.mean())]
    assert np.allclose(means, [f.numbers[k] for k in ("first_with_others", "among_others")])
    return means


STEPS = (
    rf"The MLP adds more than attention in {N} of {N} layers; tokens move most in layer {N}, by "
)
STATES = rf"Successive states correlate at {N} \(median over layers\), "
SINK = rf"position {N} \({T}\), {N} times the median at state {N}"
CLAIMS: dict[str, Claim] = {
    rf"H\[l\] \+ attention \+ MLP is H\[l\+1\] up to {N} of its norm in each of {N} layers "
    rf"\(largest in layer {N}\)\.?": _errors,
    rf"Floating-point error of float32 is about 1e-7 an addition; errors below {N} are drawn "
    r"there\.": lambda f, _: [1e-10],
    rf"The final norm changes the last state by {N}% of its norm \(median token\); the normed "
    rf"state gives the model's logits up to {N}, what a hook after the last block sees is off by "
    rf"{N} times their norm\.": _hidden,
    rf"{STATES}and are too short to correlate without outlying dimensions\.?": _raw,
    rf"{STATES}without outlying dimensions at {N}; least in layer {N}, {N}\.?": _masked,
    rf"At attention sinks: {N}\.?": _at_sinks,
    rf"A dimension is outlying in a token where its robust z exceeds {N}; on average {N} of {N} "
    r"are left out\.": lambda f, _: [
        f.recorded["outlier_z"], f.numbers["measured"]["states"].n_masked.mean(),
        f.recorded["model"]["d_model"]],
    rf"Sinks \(streams {N} times the median or longer\) mostly .*": lambda f, _: [
        f.recorded["sink_ratio"]],
    rf"No token's stream is {N} times the median: no attention sink\.": lambda f, _: [
        f.recorded["sink_ratio"]] * (not f.numbers["sinks"]),
    rf"Attention sinks: {SINK}\.": _sinks,
    rf"Attention sinks: {SINK}; {SINK}; {SINK}; {SINK}; {N} more\.": _sinks,
    rf"{STEPS}{N}% of their norm\.?": _steps,
    rf"{STEPS}{N}% of their norm \(after it in layer {N}, by {N}%\)\.?": _later_steps,
    rf"Median over {N} tokens of .*": lambda f, _: [len(f.tables["tokens"])],
    rf"In L\d\.\w+ the first token correlates with the others at {N} on average, the others with "
    rf"one another at {N}\.?": _tokens,
    rf"Pearson r over the {N} units of \w+ in layer {N}; .*": lambda f, _: [
        f.numbers["measured"]["n_units"], f.recorded["layer"]],
    rf"In {T} .* \(the first {N} of its {N} tokens\)\.": lambda f, _: [
        len(f.numbers["sight"]["positions"]), f.numbers["measured"]["n_in_word"]],
    rf"Relative change of the looking token's stream, mean over {N} replacements, .*":
        lambda f, _: [8],
}  # fmt: skip
# What the norm is of, and of which token.
FIXED = ("Of the worst token: norm of H[l] + attention + MLP − H[l+1], relative to the norm of ",)
