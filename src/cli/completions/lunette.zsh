#compdef lunette
# Completes lunette in zsh. It asks the program itself what may follow.
_lunette() {
    local -a told offered
    told=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case "${told[1]}" in
        dirs) _files -/ ;;
        files) _files ;;
        *)
            offered=("${(@)told[2,-1]//:/\\:}")
            offered=("${(@)offered/$'\t'/:}")
            _describe lunette offered
            ;;
    esac
}
if [ "$funcstack[1]" = "_lunette" ]; then
    _lunette "$@"
else
    compdef _lunette lunette
fi
