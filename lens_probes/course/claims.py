"""All claims of the course, by id."""

from __future__ import annotations

from collections.abc import Mapping

from lens_probes.course import claims_maximisation, claims_regression, claims_words
from lens_probes.course.claim import Claim

CLAIMS: Mapping[str, Claim] = {
    claim.id: claim
    for part in (claims_maximisation, claims_words, claims_regression)
    for claim in part.CLAIMS
}
LESSONS = tuple(f"L{number:02d}" for number in range(1, 24))
