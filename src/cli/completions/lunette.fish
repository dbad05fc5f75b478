# Completes lunette in fish. It asks the program itself what may follow.
function __lunette_complete
    set -l typed (commandline -ct)
    set -l words (commandline -opc)
    set -l told ($words[1] complete -- $words[2..-1] "$typed" 2>/dev/null)
    switch "$told[1]"
        case dirs
            __fish_complete_directories "$typed"
        case files
            __fish_complete_path "$typed"
        case '*'
            string join \n -- $told[2..-1]
    end
end
complete -c lunette -f -a '(__lunette_complete)'
