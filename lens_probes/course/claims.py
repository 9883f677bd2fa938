"""All claims and lessons of the course, by id: the data of `claims.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from lens_probes.course import conditions
from lens_probes.course.claim import Claim, Condition, Lesson


def _condition(rule: Mapping[str, Any]) -> Condition:
    """One of `conditions`, by the key that is its name; its value is the bound, or the bounds."""
    part, says = rule["part"], rule["says"]
    if "within" in rule:
        low, high = rule["within"]
        return conditions.within(part, low, high, says)
    if "less" in rule:
        return conditions.less(part, rule["less"], says, by=rule.get("by", 0.0))
    (kind,) = set(rule) - {"part", "says"}
    make: Any = getattr(conditions, kind)
    made: Condition = make(part, rule[kind], says)
    return made


def _claims(rows: list[dict[str, Any]]) -> dict[str, Claim]:
    claims = [Claim(**row | {"rule": tuple(map(_condition, row["rule"]))}) for row in rows]
    return {claim.id: claim for claim in claims}


def _lessons(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Lesson]:
    return {
        name: Lesson(
            name, row["title"], row["model"],
            tuple(claim for claim in CLAIMS if CLAIMS[claim].lesson == name),
            (*row["tokens"],),
        )
        for name, row in rows.items()
    }  # fmt: skip


_DATA = tomllib.loads(
    resources.files("lens_probes").joinpath("course", "claims.toml").read_text("utf-8")
)
CLAIMS: Mapping[str, Claim] = _claims(_DATA["claim"])
LESSONS: Mapping[str, Lesson] = _lessons(_DATA["lessons"])
