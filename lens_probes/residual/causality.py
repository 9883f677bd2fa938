"""Who can see whom: shared prefixes (L05.b) and the tokens of one word (L14.a)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from lens_probes.arrays import array_of
from lens_probes.errors import MOST_SEED, InputError, shown, within
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.stream import Tokens, check_tokens, read, stream
from lens_probes.sites import check_sites

BLIND_BELOW = 1e-4


@dataclass(frozen=True)
class PrefixDifference:
    """How far the activations of two prompts differ on the tokens they share at their start.

    Differences are relative: the norm of a token's difference by the norm of its activations.

    Attributes
    ----------
    n_shared
        Tokens that both start with.
    on_prefix
        Largest difference of any shared token: [layer, site]; floating-point error if the model is
        causal (not always 0: other lengths make other orders of summation).
    after
        Difference at the first token that is not shared, for comparison: [layer, site].
    """

    n_shared: int
    sites: tuple[str, ...]
    on_prefix: Float[np.ndarray, "layer site"]
    after: Float[np.ndarray, "layer site"]

    @property
    def largest(self) -> float:
        """Largest difference on the prefix, over layers and sites."""
        return float(self.on_prefix.max())


def prefix_difference(
    model: Model,
    first: Tokens,
    second: Tokens,
    *,
    sites: Iterable[str] = ("q", "k", "v", "mlp_pre", "resid_post"),
) -> PrefixDifference:
    """Compare two prompts that share a prefix, in every layer (L05.b).

    first, second: [position], each; of any two lengths.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    first
        [position] token ids of the one prompt.
    second
        [position] token ids of the other, of any length.
    sites
        Where activations are compared.

    Raises
    ------
    InputError
        Tokens or sites the model lacks, no shared prefix, or nothing after it to compare with.
    """
    model = check_model(model)
    ids = [check_tokens(model, one, axes=1) for one in (first, second)]
    names = check_sites(sites, model.shapes)
    shorter = min(len(one) for one in ids)
    same = ids[0][:shorter] == ids[1][:shorter]
    n_shared = shorter if same.all() else int(np.argmin(same))
    if not 0 < n_shared < shorter:
        raise InputError(
            f"the prompts share their first {n_shared} tokens and have {len(ids[0])} and "
            f"{len(ids[1])}: give two that start alike and then differ."
        )
    keys = [(layer, site) for layer in range(model.n_layers) for site in names]
    one, two = (read(model, tokens[None], keys) for tokens in ids)
    upto = n_shared + 1
    found = np.array([relative(two[key][0, :upto], one[key][0, :upto]) for key in keys])
    found = found.reshape(model.n_layers, len(names), upto)
    return PrefixDifference(n_shared, names, found[..., :-1].max(axis=-1), found[..., -1])


@dataclass(frozen=True)
class Sight:
    """Which tokens of a word see which: row = the token that is changed, column = who looks.

    Attributes
    ----------
    positions
        Of the word's tokens: [token].
    change
        Mean over replacements of the relative change of the looking token's stream, ||v' - v|| /
        ||v||, in every state: [changed, looking, state].
    sees
        Whether the looking token's stream changed by more than floating-point error in any state
        and replacement: [changed, looking]. In a causal model the upper triangle: the first token
        is blind to the rest, the last one has all of it.
    replacements
        Token ids that were put in: [token, replacement].
    """

    positions: Int[np.ndarray, " token"]
    change: Float[np.ndarray, "changed looking state"]
    sees: Bool[np.ndarray, "changed looking"]
    replacements: Int[np.ndarray, "token replacement"]


def sees_what(
    model: Model,
    tokens: Tokens,
    positions: Sequence[int],
    *,
    replacements: ArrayLike | None = None,
    n_replacements: int = 8,
    seed: int = 0,
) -> Sight:
    """Change one token of a word at a time and see which of its tokens notice, and where (L14.a).

    Parameters
    ----------
    model, tokens
        What reads, and the whole text, [position].
    positions
        Where the word's tokens are, in order; negative ones count from the end.
    replacements
        Token ids to put in, [token, replacement]; by default `n_replacements` drawn at random for
        each token of the word.
    n_replacements, seed
        How many, and what draws them.

    Raises
    ------
    InputError
        Tokens the model cannot read, positions outside the text or not in its order, replacements
        of another shape or equal to the token that they replace.
    """
    model = check_model(model)
    ids = check_tokens(model, tokens, axes=1)
    places = _word(ids, positions)
    if replacements is None:
        within(1, 10_000, n_replacements=n_replacements)
        within(0, MOST_SEED, seed=seed)
        given = _draw(ids[places], int(model.cfg.d_vocab), n_replacements, seed)
    else:
        given = check_tokens(model, replacements)
        if len(given) != len(places):
            raise InputError(
                f"replacements must be [{len(places)}, n], a row for each token of the word; got "
                f"shape {list(given.shape)}."
            )
        if (given == ids[places][:, None]).any():
            raise InputError("a replacement is the token that it replaces: give other token ids.")
    k, n = given.shape
    base = stream(model, ids)[:, 0, places]
    changes = np.empty((k, n, k, len(base)))
    for changed, row in enumerate(given):
        texts = np.repeat(ids[None], n, axis=0)
        texts[:, places[changed]] = row
        after = stream(model, texts)[:, :, places]
        changes[changed] = relative(after, base[:, None]).transpose(1, 2, 0)
    return Sight(places, changes.mean(axis=1), changes.max(axis=(1, 3)) > BLIND_BELOW, given)


def relative(after: NDArray[np.floating], before: NDArray[np.floating]) -> NDArray[np.float64]:
    """||after - before|| / ||before|| over the last axis."""
    before = before.astype(np.float64)
    size = np.linalg.norm(after - before, axis=-1) / np.linalg.norm(before, axis=-1)
    return np.asarray(size, np.float64)


def _word(ids: NDArray[np.int64], positions: Sequence[int]) -> NDArray[np.int64]:
    places = array_of("positions", positions)
    if places.ndim != 1 or places.size == 0 or places.dtype.kind not in "iu":
        raise InputError(f"positions must be whole numbers, one a token; got {shown(positions)}.")
    if (places < -len(ids)).any() or (places >= len(ids)).any():
        raise InputError(f"positions {shown(positions)} are not all inside the {len(ids)} tokens.")
    places = places % len(ids)
    if (np.diff(places) < 1).any():
        raise InputError(f"positions must be in the order of the text; got {shown(positions)}.")
    return places


def _draw(word: NDArray[np.int64], n_vocab: int, n: int, seed: int) -> NDArray[np.int64]:
    """Other token ids, uniform over the vocabulary without the word's own: [token, n]."""
    drawn = np.random.default_rng(seed).integers(n_vocab - 1, size=(len(word), n))
    return np.asarray(drawn + (drawn >= word[:, None]), np.int64)
