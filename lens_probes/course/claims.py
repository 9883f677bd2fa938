"""All claims of the course, by id: the data of `claims.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from lens_probes.course import conditions
from lens_probes.course.claim import Claim, Condition


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


def _claims() -> dict[str, Claim]:
    text = resources.files("lens_probes").joinpath("course", "claims.toml").read_text("utf-8")
    rows = tomllib.loads(text)["claim"]
    claims = [Claim(**row | {"rule": tuple(map(_condition, row["rule"]))}) for row in rows]
    return {claim.id: claim for claim in claims}


CLAIMS: Mapping[str, Claim] = _claims()
LESSONS = tuple(f"L{number:02d}" for number in range(1, 24))
