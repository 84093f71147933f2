"""Go templates, as much as --format needs."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.errors import InvalidInput
from containerlab.views.template import render

DATA = {
    "Name": "web",
    "State": {"Running": True, "ExitCode": 0},
    "Args": ["a", "b"],
    "Mounts": [{"Source": "/x"}, {"Source": "/y"}],
    "Labels": {"tier": "front"},
    "Nothing": None,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Name}}", "web"),
        ("{{ .Name }}!", "web!"),
        (r"{{.Name}}\t{{.State.ExitCode}}", "web\t0"),
        ("{{json .Args}}", '["a", "b"]'),
        ("{{.State.Running}}", "true"),
        ("{{.Args}}", "[a b]"),
        ("{{range .Mounts}}{{.Source}},{{end}}", "/x,/y,"),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.ExitCode}}{{if .Name}}a{{end}}{{else}}b{{end}}", "b"),
        ('{{index .Labels "tier"}}', "front"),
        ('{{join .Args "-"}}', "a-b"),
        ("{{.Name | upper}}", "WEB"),
        ("{{len .Args}}", "2"),
        ("{{with .State}}{{.ExitCode}}{{end}}", "0"),
        ("a {{- .Name -}} b", "awebb"),
        ("{{.Nothing}}", "<no value>"),
        ("plain", "plain"),
    ],
)
def test_rendering(template: str, text: str) -> None:
    assert render(template, DATA) == text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{.Nmae}}", "did you mean Name"),
        ("{{.Name", "no }}"),
        ("{{range .Args}}", "without {{end}}"),
        ("{{end}}", "without a beginning"),
        ("{{uper .Name}}", "did you mean upper"),
        ("{{}}", "nothing between"),
    ],
)
def test_wrong_template_is_told(template: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        render(template, DATA)


@given(st.text(alphabet='{}.|"aN( )-\\', max_size=20))
def test_any_template_is_rendered_or_refused(template: str) -> None:
    with suppress(InvalidInput):
        assert isinstance(render(template, DATA), str)
