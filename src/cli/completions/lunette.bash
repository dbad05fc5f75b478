# Completes lunette in bash. It asks the program itself what may follow.
_lunette() {
    local IFS=$'\n' current="${COMP_WORDS[COMP_CWORD]}"
    # Where = breaks words, it is no value by itself.
    [[ "$current" == "=" ]] && current=""
    local told=($("$1" complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$current" 2>/dev/null))
    case "${told[0]}" in
        dirs) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
        files) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
        *) COMPREPLY=("${told[@]:1}"); COMPREPLY=("${COMPREPLY[@]%%$'\t'*}") ;;
    esac
}
complete -F _lunette lunette
