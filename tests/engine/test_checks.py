"""Checks of Dockerfiles: with what is known of base images, and as what ends a build."""

from __future__ import annotations

import pytest

from containerlab.build.language.located import DockerfileError
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, NotFound

pytestmark = pytest.mark.root


def test_variables_of_a_base_image_that_is_here_are_known(engine: Engine) -> None:
    engine.builder.build(dockerfile="FROM scratch\nENV HERE=1", tag=["base"])
    findings = engine.builder.check(dockerfile="FROM base\nUSER $HERE\nUSER $THERE\nFROM other\nUSER $THERE")
    assert [(each.line, each.rule) for each in findings] == [(3, "UndefinedVar")]


def test_a_finding_ends_the_build_where_the_dockerfile_says_so(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="lint violation found for rules: MaintainerDeprecated"):
        engine.builder.build(dockerfile="# check=error=true\nFROM scratch\nMAINTAINER me", tag=["never"])
    with pytest.raises(NotFound):
        engine.images.inspect("never")


def test_a_device_that_a_run_cannot_do_without_is_refused(engine: Engine) -> None:
    with pytest.raises(DockerfileError, match="no devices are given to builds"):
        engine.builder.build(dockerfile="FROM scratch\nRUN --device=vendor.com/gpu=all,required true")
