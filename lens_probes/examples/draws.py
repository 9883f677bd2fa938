"""Drawing a sample of targets: even over word types, the classes from the same documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lens_probes.examples.windows import Target, Targets
from lens_probes.texts.load import Document

Balance = Literal["word", "natural"]

ENOUGH_PER_WORD = 5
_UNPAIRED = "drawn without a counterpart"


@dataclass(frozen=True)
class Stratum:
    """Targets of one class that share a quota: a word type's, or all where types do not count."""

    label: int
    pool: tuple[Target, ...]
    quota: int


def draw_targets(
    targets: Targets,
    *,
    max_per_class: int | None,
    balance: Balance,
    max_words: int | None = None,
    min_per_word: int = 1,
    documents: Sequence[Document] | None = None,
    seed: int = 0,
) -> tuple[list[Target], dict[str, int]]:
    """Sample targets of each class: `"natural"` at random, `"word"` as evenly over types as can be.

    Types with fewer than `min_per_word` usable occurrences are dropped and counted; of the others
    `max_words` a class are drawn at random. With `"word"` and a limit on examples no more types
    are drawn than can have `ENOUGH_PER_WORD` examples each (`min_per_word`, if that is more), those
    first that occur so often. The sample comes in the order of the text.

    With `documents` (those of the text) two classes are drawn from the same documents, speakers
    and decades (`paired`), where a choice is left; no type's share of the sample changes by it.
    """
    rng = np.random.default_rng(seed)
    counts = dict(targets.counts)
    per_type: dict[tuple[int, str], list[Target]] = {}
    for target in targets.usable:
        per_type.setdefault((target.label, target.word), []).append(target)
    rare = [key for key, found in per_type.items() if len(found) < min_per_word]
    if rare:
        reason = f"dropped: type with fewer than {min_per_word} usable occurrences"
        counts[reason] = sum(len(per_type.pop(key)) for key in rare)
    drawn: list[Target] = []
    strata: list[Stratum] = []
    n_left_out = 0
    choose_places = documents is not None and len({label for label, _ in per_type}) == 2
    for label in sorted({label for label, _ in per_type} | {0, 1}):
        sizes = {w: len(found) for (of, w), found in sorted(per_type.items()) if of == label}
        capped = balance == "word" and max_per_class is not None
        enough = max(min_per_word, ENOUGH_PER_WORD) if capped else 1
        types = _types(sizes, max_words, max_per_class if capped else None, enough, rng)
        n_left_out += len(sizes) - len(types)
        of_class = _strata(label, [per_type[label, word] for word in types], max_per_class, balance)
        strata += of_class
        if not choose_places:
            for part in of_class:
                index = rng.choice(len(part.pool), part.quota, replace=False)
                drawn += [part.pool[i] for i in index]
    paired_at: dict[str, int] = {}
    if choose_places:
        assert documents is not None
        drawn, paired_at = paired(strata, documents, rng)
    if n_left_out:
        counts["word types not drawn"] = n_left_out
    counts["not drawn"] = sum(map(len, per_type.values())) - len(drawn)
    counts["drawn"] = len(drawn)
    return sorted(drawn, key=lambda t: (t.document, t.last)), counts | paired_at


def paired(
    strata: Sequence[Stratum], documents: Sequence[Document], rng: np.random.Generator
) -> tuple[list[Target], dict[str, int]]:
    """Every stratum's quota of targets, in pairs of the two classes as near as can be.

    The rarest stratum chooses first: each of its targets, in random order, takes a counterpart of
    the other class from its document, again of the rarest stratum that has a quota left; then from
    its source, then from its decade. What is left of a quota is drawn at random, without a
    counterpart. A target is looked at once a level, so the time is linear in their number.

    Returns the targets, and how many were drawn with a counterpart at each level; nothing is
    counted where all targets are drawn, as there was nothing to choose.
    """
    if all(part.quota == len(part.pool) for part in strata):
        return [target for part in strata for target in part.pool], {}
    order = sorted(strata, key=lambda part: len(part.pool))
    pools = [[part.pool[i] for i in rng.permutation(len(part.pool))] for part in order]
    left = [part.quota for part in order]
    taken: set[Target] = set()
    counts: Counter[str] = Counter()
    levels: dict[str, Sequence[Hashable]] = {
        "drawn with a counterpart in the document": list(range(len(documents))),
        "drawn with a counterpart by the source": [document.source for document in documents],
        "drawn with a counterpart in the decade": [_decade(document) for document in documents],
    }
    finders = {name: _Counterparts(keys, pools, left, taken) for name, keys in levels.items()}
    for number, pool in enumerate(pools):
        for name, finder in finders.items():
            for target in pool:
                if not left[number]:
                    break
                if target in taken:
                    continue
                found = finder.find(target)
                if found is not None:
                    other, its_stratum = found
                    taken |= {target, other}
                    left[number] -= 1
                    left[its_stratum] -= 1
                    counts[name] += 2
    for number, pool in enumerate(pools):
        free = [target for target in pool if target not in taken][: left[number]]
        taken.update(free)
        counts[_UNPAIRED] += len(free)
    drawn = [target for pool in pools for target in pool if target in taken]
    return drawn, {name: counts[name] for name in (*levels, _UNPAIRED)}


class _Counterparts:
    """Targets by class and place (document, source, decade), the rarest stratum first."""

    def __init__(
        self,
        keys: Sequence[Hashable],
        pools: Sequence[Sequence[Target]],
        left: Sequence[int],
        taken: set[Target],
    ) -> None:
        self._keys, self._left, self._taken = keys, left, taken
        self._at: dict[tuple[int, Hashable], dict[int, list[Target]]] = {}
        for number, pool in enumerate(pools):
            for target in pool:
                key = keys[target.document]
                if key is not None:
                    here = self._at.setdefault((target.label, key), {})
                    here.setdefault(number, []).append(target)

    def find(self, target: Target) -> tuple[Target, int] | None:
        """A target of the other class in the same place that is still free, and its stratum."""
        here = self._at.get((1 - target.label, self._keys[target.document]), {})
        for number, found in here.items():
            while self._left[number] and found:
                other = found.pop()
                if other not in self._taken:
                    return other, number
        return None


def _types(
    sizes: dict[str, int],
    max_words: int | None,
    max_examples: int | None,
    enough: int,
    rng: np.random.Generator,
) -> list[str]:
    """Word types to draw from, all or some at random: those with `enough` occurrences first."""
    types = list(sizes)
    n_types = min(len(types), max_words or len(types))
    if max_examples is not None and sum(sizes.values()) > max_examples:
        n_types = min(n_types, max(2, max_examples // enough))
    if n_types == len(types):
        return types
    shuffled: list[str] = rng.permutation(types).tolist()
    shuffled.sort(key=lambda word: sizes[word] < enough)
    return sorted(shuffled[:n_types])


def _strata(
    label: int, pools: list[list[Target]], max_per_class: int | None, balance: Balance
) -> list[Stratum]:
    """A stratum for each type with an even share of the sample, or one for all types."""
    if balance == "natural":
        pools = [[target for pool in pools for target in pool]]
    sizes = [len(pool) for pool in pools]
    total = sum(sizes) if max_per_class is None else min(max_per_class, sum(sizes))
    quotas = _even_quotas(sizes, total)
    return [Stratum(label, tuple(pool), quota) for pool, quota in zip(pools, quotas, strict=True)]


def _decade(document: Document) -> int | None:
    return None if document.date is None else int(document.date // 10)


def _even_quotas(sizes: list[int], total: int) -> list[int]:
    """Share `total` out as evenly as sizes allow, the remainder to the first types."""
    quotas = [0] * len(sizes)
    left = total
    while left > 0:
        open_types = [i for i, size in enumerate(sizes) if quotas[i] < size]
        share = max(1, left // len(open_types))
        for i in open_types:
            step = min(share, sizes[i] - quotas[i], left)
            quotas[i] += step
            left -= step
    return quotas
