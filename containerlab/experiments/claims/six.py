"""The six claims, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping

from containerlab.experiments.claims.delivery import Delivery
from containerlab.experiments.claims.footprint import Footprint
from containerlab.experiments.claims.lifecycle import Lifecycle
from containerlab.experiments.claims.performance import Performance
from containerlab.experiments.claims.recovery import Recovery
from containerlab.experiments.claims.start import Start
from containerlab.experiments.experiment import Claim

__all__ = ["CLAIMS"]

_CLAIMS: tuple[Claim, ...] = (Start(), Performance(), Footprint(), Recovery(), Lifecycle(), Delivery())
CLAIMS: Mapping[str, Claim] = {claim.name: claim for claim in _CLAIMS}
"""Each by its name."""
