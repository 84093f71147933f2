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
        ("{{json .Args}}", '["a","b"]'),
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
        ("{{(index .Mounts 1).Source}}", "/y"),
        ('{{join (split .Name "e") "+"}}', "w+b"),
        ("{{range $i, $each := .Args}}{{$i}}={{$each}} {{end}}", "0=a 1=b "),
        ("{{range $key, $value := .Labels}}{{$key}}:{{$value}}{{end}}", "tier:front"),
        ("{{$n := .Name}}{{$n}} {{$.Name}}", "web web"),
        ("{{if not .State.Running}}a{{else if .Args}}b{{else}}c{{end}}", "b"),
        ("{{if and .Name (eq .State.ExitCode 0)}}yes{{end}}", "yes"),
        ('{{printf "%-5s|%03d" .Name 7}}', "web  |007"),
        ('{{println "a" "b"}}', "a b\n"),
        ("{{pad .Name 1 2}}", " web  "),
        ('{{slice .Name 0 2}} {{title "up"}} {{truncate .Name 1}}', "we Up w"),
        ('{{"}}"}}', "}}"),
        ("{{/* nothing */}}x", "x"),
        ("{{- .Name -}}  x", "webx"),
        ("{{.Nothing.Deeper}}", "<no value>"),
        ("{{with .Nothing}}a{{else}}{{.Name}}{{end}}", "web"),
        ("{{if .Nothing}}a{{else with .State}}{{.ExitCode}}{{end}}", "0"),
        ("{{or .Nothing .Name}} {{gt 2 1}} {{ne 1 1}}", "web true false"),
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
        ("{{(.Name}}", "without its"),
        ("{{if .Name}}{{uper .Name}}{{end}}", "did you mean upper"),
        ("{{if .Name}}{{else odd}}{{end}}", "without {{end}}"),
        ("{{$x}}", "no such variable"),
        ("{{range .Name}}{{end}}", "cannot go through"),
        ("{{len 5}}", "cannot use len"),
        ("{{" + "(" * 5000 + "}}", "nested too deeply"),
    ],
)
def test_wrong_template_is_told(template: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        render(template, DATA)


_WORDS = (
    "{{ }} {{- -}} if else end range with . .Name .Args .State.Running $x := = , ( ) | nil /* */ "
    '"a" " ` index json printf slice 0 -1 %d split join pad eq lt \\ é'
)


@given(
    st.lists(st.sampled_from([*_WORDS.split(" "), " "]), max_size=25).map("".join)
    | st.text(alphabet='{}.|"aN( )-\\', max_size=20)
)
def test_any_template_is_rendered_or_refused(template: str) -> None:
    with suppress(InvalidInput):
        assert isinstance(render(template, DATA), str)
