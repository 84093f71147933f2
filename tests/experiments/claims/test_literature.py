"""What others measured, and where it is quoted."""

from __future__ import annotations

import pytest

from containerlab.experiments.claims import judging, literature
from containerlab.experiments.claims.six import CLAIMS
from containerlab.experiments.experiment import Verdict
from containerlab.vm.tiers import TIERS


def test_every_quote_is_about_a_claim_and_can_be_found() -> None:
    for quote in literature.QUOTES:
        assert quote.claim in CLAIMS
        assert set(quote.tiers) <= TIERS.keys()
        assert quote.text
        assert ":" in quote.source or "," in quote.source


@pytest.mark.parametrize("tier", TIERS)
def test_start_and_performance_have_a_quote_for_every_tier(tier: str) -> None:
    assert literature.of_claim("start", tier)
    assert literature.of_claim("performance", tier)


def test_what_is_about_a_tier_comes_before_what_is_about_all() -> None:
    found = literature.of_claim("start", "classic")
    assert found
    assert "two cloud providers" in found.text


def test_a_verdict_that_nobody_wrote_about_stays_as_it_is() -> None:
    verdict = Verdict("recovery", "classic", judging.IN_PART, (), None, "tens of seconds")
    assert judging.quoted(verdict) == verdict
