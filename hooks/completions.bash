# Completes the words of devsh. `devsh` is found on PATH, and prints its candidates with a vertical tab between them.
_devsh_complete() {
  local answer candidate words=("${COMP_WORDS[@]}")
  # Later versions give the word without its quotes.
  ((BASH_VERSINFO[0] < 4)) || words[COMP_CWORD]=$2
  COMPREPLY=()
  answer=$(_CLAP_IFS=$'\013' _CLAP_COMPLETE_INDEX=$COMP_CWORD DEVSH_COMPLETE=bash command devsh -- "${words[@]}") || return
  while [[ $answer ]]; do
    candidate=${answer%%$'\013'*}
    answer=${answer#"$candidate"}
    answer=${answer#$'\013'}
    # Bash quotes candidates only as names of files. A name can have code in it: `x$(command)`.
    case $candidate in
      ?*[!A-Za-z0-9_./:@%+=,^~-]* | [!A-Za-z0-9_./:@%+=,^-]*) compopt -o filenames 2>/dev/null || continue ;;
    esac
    COMPREPLY+=("$candidate")
  done
  [[ ${COMPREPLY-} != *[=/:] ]] || compopt -o nospace 2>/dev/null || :
}
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then
  complete -o bashdefault -o nosort -F _devsh_complete devsh
elif ((BASH_VERSINFO[0] >= 4)); then
  complete -o bashdefault -F _devsh_complete devsh
else
  complete -o nospace -o bashdefault -F _devsh_complete devsh
fi
