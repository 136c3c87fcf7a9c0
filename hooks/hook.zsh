# devsh hook for zsh 5.
#
# At each prompt __devsh_fresh asks builtins whether anything changed; only then is the program run.
# `emulate -L zsh` keeps the user's options out, a backslash the aliases where zsh reads code late.

__devsh_fresh() { return 1 }

__devsh_hook() {
  __devsh_check
  [[ -z "$__devsh_then" ]] || __devsh_go_on
  # Zsh itself keeps the exit status of the user's command over its hooks.
  return 0
}

__devsh_check() {
  emulate -L zsh
  __devsh_fresh || __devsh_update
  return 0
}

# Evaluates what is to see and to change the user's own options, which are in force here.
__devsh_go_on() {
  local __devsh_code="$__devsh_then"
  __devsh_then=
  eval "$__devsh_code"
}

# Reads functions without the user's aliases.
__devsh_define() {
  emulate -L zsh
  setopt no_aliases
  eval "$1"
}

__devsh_update() {
  emulate -L zsh
  [[ -f @DEVSH@ && -x @DEVSH@ ]] || return 0
  typeset -g __devsh_pwd=$PWD
  # Should the program fail, it is asked again in another directory, not at every prompt.
  __devsh_fresh() { [[ $PWD == "$__devsh_pwd" ]] }
  __devsh_ask --loaded "$__devsh_loaded" --checks "$__devsh_checks"
}

# Tells whether the files $@[2,-1] were last changed in the seconds $1; one call looks at all of them. Renaming a file
# changes it, too.
__devsh_times() {
  emulate -L zsh
  builtin zmodload -F zsh/stat b:zstat 2>/dev/null || return 1
  local -a times
  builtin zstat -A times +ctime $@[2,-1] 2>/dev/null && [[ ${(j: :)times} == $1 ]]
}

# Asks the program with the words $@ and evaluates its answer.
__devsh_ask() {
  emulate -L zsh
  # The answer is not to be read with the user's global aliases.
  setopt local_traps no_aliases
  local __devsh_code __devsh_nonce=$RANDOM$RANDOM$$
  __devsh_code=$(\command @DEVSH@ export zsh --nonce "$__devsh_nonce" "$@") || return 0
  # Text that was cut short does not end in the mark and must not run.
  [[ $__devsh_code == *"# devsh $__devsh_nonce" ]] || return 0
  trap '' INT
  eval "$__devsh_code"
}

# Each check that was made is kept: the program defines one only where it is new.
__devsh_forget_checks() {
  local name
  for name in ${=__devsh_checks}; do
    unset -f __devsh_fresh_$name
  done
  __devsh_checks=
}

# Aliases: names to the values set, and to the kinds and values hidden (absent: nothing was).
__devsh_alias() {
  # A name has one alias, regular or global.
  if (( $+aliases[$1] )); then
    __devsh_alias_olds[$1]=r$aliases[$1]
  elif (( $+galiases[$1] )); then
    __devsh_alias_olds[$1]=g$galiases[$1]
  fi
  __devsh_alias_news[$1]=$2
  builtin alias -- "$1=$2"
}

__devsh_restore_aliases() {
  local name old
  for name in ${(k)__devsh_alias_news}; do
    # An alias that the user changed meanwhile is the user's.
    [[ $+aliases[$name] == 1 && $aliases[$name] == "$__devsh_alias_news[$name]" ]] || continue
    builtin unalias -- $name
    if (( $+__devsh_alias_olds[$name] )); then
      old=$__devsh_alias_olds[$name]
      builtin alias -$old[1] -- "$name=${old[2,-1]}"
    fi
  done
  __devsh_alias_olds=() __devsh_alias_news=()
}

# Variables: names to how they are declared, where the environment does not tell.
__devsh_hold() {
  local __devsh_name __devsh_text
  typeset -gA __devsh_held_names
  for __devsh_name; do
    case ${(Pt)__devsh_name} in
      ''|scalar-export|*special*) continue ;;
      scalar) __devsh_text="typeset -g $__devsh_name=${(qq)${(P)__devsh_name}}" ;;
      *) __devsh_text=$(typeset -p -- $__devsh_name)
         __devsh_text=${__devsh_text/#typeset /typeset -g } ;;
    esac
    __devsh_held_names[$__devsh_name]=$__devsh_text
    [[ ${(Pt)__devsh_name} != *readonly* ]] || typeset -g +r -- $__devsh_name
    unset -v -- $__devsh_name
  done
}

__devsh_release() {
  local __devsh_name
  for __devsh_name; do
    (( $+__devsh_held_names[$__devsh_name] )) || continue
    unset -v -- $__devsh_name
    eval $__devsh_held_names[$__devsh_name]
    unset "__devsh_held_names[$__devsh_name]"
  done
}

__devsh_drop() {
  local __devsh_name
  for __devsh_name; do
    unset "__devsh_held_names[$__devsh_name]"
  done
}

# Nothing is loaded any more: what is still held is given back.
__devsh_forget() {
  __devsh_release ${(k)__devsh_held_names}
  unset -v __devsh_held_names
}

# Has the scripts run when the shell exits, or not.
__devsh_leave_on_exit() {
  if [[ $1 == yes ]]; then
    typeset -g __devsh_trap=yes
  else
    unset -v __devsh_trap
  fi
}

__devsh_exit() {
  [[ -z ${__devsh_trap-} ]] || \command @DEVSH@ leave || :
}

() {
  emulate -L zsh
  zmodload zsh/parameter
  typeset -gA __devsh_alias_olds __devsh_alias_news
  typeset -g __devsh_loaded=${__devsh_loaded-} __devsh_checks= __devsh_then=
  typeset -ga precmd_functions
  if (( ! ${precmd_functions[(I)__devsh_hook]} )); then
    precmd_functions=(__devsh_hook $precmd_functions)
  fi
  typeset -ga zshexit_functions
  if (( ! ${zshexit_functions[(I)__devsh_exit]} )); then
    zshexit_functions=(__devsh_exit $zshexit_functions)
  fi
}
