"""Scripts that let shells complete `conlab`: they ask `conlab __complete` for what may come next."""

from __future__ import annotations

__all__ = ["SCRIPTS"]

_BASH = """\
_conlab() {
    local line=${COMP_LINE:0:COMP_POINT} words=()
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local last=${words[-1]} IFS=$'\\n'
    COMPREPLY=($(conlab __complete "${words[@]:1}" 2>/dev/null))
    # bash takes a colon and an equals sign for the end of a word and completes only what follows
    [[ $last != "${COMP_WORDS[COMP_CWORD]}" ]] && COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*[:=]}"}"}")
    [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace 2>/dev/null
}
complete -F _conlab conlab"""

_ZSH = """\
#compdef conlab
_conlab() {
    local -a found
    found=("${(@f)$(conlab __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -Q -a found; else _files; fi
}
compdef _conlab conlab"""

_FISH = """\
function _conlab
    set -l last (commandline -ct)
    conlab __complete (commandline -opc)[2..] "$last" 2>/dev/null
end
complete -c conlab -f -n 'test -n "$(_conlab)"' -a '(_conlab)'"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
