# devsh hook for zsh 5.
#
# At each prompt __devsh_fresh checks with builtins whether anything changed. Only then the program runs.
# `emulate -L zsh` resets the user's options. The whole text is parsed by `__devsh_define`, so that the user's aliases
# and options do not change it.

# Before the hook is loaded, exported variables with its names come from another process, which must not decide what
# runs here.
() {
  emulate -L zsh
  zmodload zsh/parameter
  (( $+functions[__devsh_hook] )) && return
  local name
  for name in ${(M)${(k)parameters[(R)*export*]}:#__devsh_*}; do
    unset -v -- $name
  done
}

__devsh_fresh() { return 1 }

# Zsh restores the exit status of the user's command after its hooks.
__devsh_hook() {
  __devsh_check
  [[ -z "$__devsh_then" ]] || __devsh_go_on
}

# A key binding may have changed the directory since the prompt.
__devsh_preexec() {
  [[ "$PWD" == "${__devsh_pwd-$PWD}" ]] || __devsh_hook
}

__devsh_check() {
  # A trace (`set -x`) shows the user's commands, not this code. With `auto_name_dirs` each variable that holds a
  # directory would become its name in the prompt.
  { emulate -L zsh; setopt no_xtrace no_verbose no_auto_name_dirs } 2>/dev/null
  __devsh_fresh || __devsh_update
  return 0
}

# Evaluates code that must see and change the user's options, which are in effect here.
__devsh_go_on() {
  local __devsh_code="$__devsh_then"
  __devsh_then=
  eval "$__devsh_code"
  __devsh_path="$PATH"
}

__devsh_update() {
  emulate -L zsh
  [[ -f @DEVSH@ && -x @DEVSH@ ]] || return 0
  if (( $#__devsh_watched )) && __devsh_compare && __devsh_fresh; then
    return 0
  fi
  # A list, because a string that holds a directory can become its name in the prompt.
  typeset -ga __devsh_pwd
  __devsh_pwd=("$PWD")
  # Ctrl-C ends this function, and the next prompt runs the program again.
  __devsh_fresh() { return 1 }
  __devsh_ask --loaded "$__devsh_loaded" --checks "$__devsh_checks" --path "$__devsh_path" --gone "$__devsh_gone" ||
    (( $? == 130 )) ||
    # If the program fails, it runs again after a change of directory or `devsh reload`, not at every prompt.
    __devsh_fresh() {
      local -a __devsh_requests
      __devsh_requests=(@RELOADS@/$$.*(N))
      [[ $PWD == "$__devsh_pwd" && $PATH == "$__devsh_path" ]] && (( ! $#__devsh_requests ))
    }
  # Another tool that replaces `PATH` later makes the hook run the program again.
  __devsh_path=$PATH
}

# Makes the next command or prompt compare the variables $@ with their values now. The mark before the directory makes
# `__devsh_fresh` fail.
__devsh_watch() {
  local -a __devsh_now
  __devsh_watched=("$@")
  __devsh_values
  __devsh_seen=("${(@)__devsh_now}")
  __devsh_pwd=("?$__devsh_pwd")
}

# Succeeds if the compared variables have not changed.
__devsh_compare() {
  local -a __devsh_now
  local __devsh_at __devsh_changed=
  __devsh_pwd=("${__devsh_pwd#\?}")
  __devsh_values
  for __devsh_at in {1..$#__devsh_watched}; do
    [[ "$__devsh_now[$__devsh_at]" == "$__devsh_seen[$__devsh_at]" ]] ||
      __devsh_changed+=" $__devsh_watched[$__devsh_at]"
  done
  __devsh_watched=() __devsh_seen=()
  [[ -n "$__devsh_changed" ]] || return 0
  __devsh_former="$__devsh_changed!$__devsh_former"
  return 1
}

# Sets __devsh_now to the values of the compared variables.
__devsh_values() {
  local __devsh_name
  for __devsh_name in $__devsh_watched; do
    __devsh_now+=("${(P)__devsh_name+=${(P)__devsh_name}}")
  done
}

# Succeeds if the ctimes of the files $@[2,-1] are the seconds $1. One `zstat` call checks all files. A rename changes
# the ctime, too.
__devsh_times() {
  emulate -L zsh
  builtin zmodload -F zsh/stat b:zstat 2>/dev/null || return 1
  local -a times
  builtin zstat -A times +ctime $@[2,-1] 2>/dev/null && [[ ${(j: :)times} == $1 ]]
}

# Runs the program with the arguments $@ and evaluates its output. Fails if there is none that is complete.
__devsh_ask() {
  emulate -L zsh
  # The user's global aliases would change the output.
  setopt local_traps no_aliases no_auto_name_dirs
  local __devsh_code __devsh_nonce=$RANDOM$RANDOM$$
  # Powerlevel10k warns of output while it shows its instant prompt.
  # Old values may be secret, so they are no arguments, which everyone can read.
  __devsh_code=$(
    [[ -z "$__devsh_former" ]] || export __devsh_former
    \command @DEVSH@ ${__p9k_instant_prompt_active:+--quiet} export zsh --nonce "$__devsh_nonce" "$@"
  ) || return
  # Output that was cut short does not end in the mark and must not run.
  [[ $__devsh_code == *"# devsh $__devsh_nonce" ]] || return
  trap '' INT
  # With another HISTCHARS the mark is no comment.
  eval "${__devsh_code%"# devsh $__devsh_nonce"}" || :
}

# Checks are kept under their names, and the program prints only new ones: shells parse code slowly.
__devsh_forget_checks() {
  local name
  for name in ${=__devsh_checks}; do
    unset -f __devsh_fresh_$name
  done
  __devsh_checks=
}

# Aliases by name: the new values, and the kinds and values of hidden aliases.
__devsh_alias() {
  (( ! ${__devsh_prompt_commands[(Ie)$1]} )) || return 0
  # A name is a regular or a global alias, not both.
  if (( $+aliases[$1] )); then
    __devsh_alias_olds[$1]=r$aliases[$1]
  elif (( $+galiases[$1] )); then
    __devsh_alias_olds[$1]=g$galiases[$1]
  fi
  __devsh_alias_news[$1]=$2
  builtin alias -- "$1=$2"
}

# Sets __devsh_prompt_commands to those of the names $@ that are commands in code that zsh parses at each prompt: an
# alias could run there without being typed. Asks once for the same names and code.
__devsh_find_prompt_commands() {
  emulate -L zsh
  # The user's global aliases would change the code below.
  setopt no_aliases
  local name texts
  local -a code
  code=(precmd $precmd_functions preexec $preexec_functions chpwd $chpwd_functions periodic $periodic_functions)
  # The line editor calls these widgets by itself.
  builtin zmodload -e zsh/zle && code+=(${${(v)widgets[(I)zle-*]}#user:})
  texts="$PS1 $PS2 $PS3 $PS4 $RPS1 $RPROMPT $RPS2 $RPROMPT2 $SPROMPT"
  [[ "${(j: :)code} $texts ${(j: :)@}" != "$__devsh_prompt_code" ]] || return 0
  __devsh_prompt_code="${(j: :)code} $texts ${(j: :)@}"
  __devsh_prompt_commands=(${(f)"$(
    {
      builtin print -rn -- ${(j: :)code}$'\0'$texts$'\0'
      builtin functions
      for name in ${(k)aliases}; do
        builtin print -r -- "$name () {"$'\n'$aliases[$name]$'\n}'
      done
      for name in ${(k)galiases}; do
        builtin print -r -- "$name () {"$'\n'$galiases[$name]$'\n}'
      done
    } | \command @DEVSH@ ${__p9k_instant_prompt_active:+--quiet} prompt-commands "$@"
  )"})
}

__devsh_restore_aliases() {
  local name old
  for name in ${(k)__devsh_alias_news}; do
    # An alias that the user has changed since then stays.
    [[ $+aliases[$name] == 1 && $aliases[$name] == "$__devsh_alias_news[$name]" ]] || continue
    builtin unalias -- $name
    if (( $+__devsh_alias_olds[$name] )); then
      old=$__devsh_alias_olds[$name]
      builtin alias -$old[1] -- "$name=${old[2,-1]}"
    fi
  done
  __devsh_alias_olds=() __devsh_alias_news=()
}

# Shell variables that the environment does not show: declarations by name.
__devsh_hold() {
  local __devsh_name __devsh_text
  typeset -gA __devsh_held_names
  for __devsh_name; do
    case ${(Pt)__devsh_name} in
      ''|scalar-export|*export*special*|*export*tied*|*readonly*special*|array*special*|association*special*) continue ;;
      # A special or tied variable loses its meaning when it is unset. A tied one is restored by its array, because an
      # empty text would give that one empty entry.
      scalar*tied*)
        __devsh_text=$(typeset -p -- $__devsh_name)
        __devsh_text=${${__devsh_text%%=\(*}##* }
        __devsh_held_names[$__devsh_name]="typeset -g +x $__devsh_name; \
$__devsh_text=(${(j: :)${(@qq)${(@P)__devsh_text}}})"
        continue
        ;;
      *special*|*tied*)
        __devsh_held_names[$__devsh_name]="typeset -g +x $__devsh_name; $__devsh_name=${(qq)${(P)__devsh_name}}"
        continue
        ;;
      scalar) __devsh_text="typeset -g $__devsh_name=${(qq)${(P)__devsh_name}}" ;;
      *) __devsh_text=$(typeset -p -- $__devsh_name)
         __devsh_text=${__devsh_text/#typeset /typeset -g } ;;
    esac
    __devsh_held_names[$__devsh_name]=$__devsh_text
    [[ ${(Pt)__devsh_name} != *readonly* ]] || typeset -g +r -- $__devsh_name
    unset -v -- $__devsh_name
  done
}

# Exports the list $1. A list of the user that is not exported gets the entries $3 and $4 at its ends and is only
# unexported later, otherwise the value is $2.
__devsh_extend() {
  if [[ ${(Pt)1} == scalar* && ${(Pt)1} != *(export|readonly)* && -n ${(P)1} ]]; then
    typeset -gA __devsh_held_names
    __devsh_held_names[$1]="typeset -g +x $1"
    typeset -gx "$1=${3:+$3:}${(P)1}${4:+:$4}"
  else
    __devsh_hold $1
    typeset -gx "$1=$2"
  fi
}

# Unsets variables, except those that `__devsh_release` gives another value.
__devsh_unset() {
  local __devsh_name
  for __devsh_name; do
    [[ "$__devsh_held_names[$__devsh_name]" == 'typeset -g +x '* ]] || unset -v -- $__devsh_name
  done
}

__devsh_release() {
  local __devsh_name
  for __devsh_name; do
    (( $+__devsh_held_names[$__devsh_name] )) || continue
    __devsh_unset $__devsh_name
    eval $__devsh_held_names[$__devsh_name]
    unset "__devsh_held_names[$__devsh_name]"
  done
}

__devsh_drop() {
  local __devsh_name
  for __devsh_name; do
    [[ "$__devsh_held_names[$__devsh_name]" == "typeset -g +x $__devsh_name" ]] ||
      unset "__devsh_held_names[$__devsh_name]"
  done
}

# Restores every variable that is still held, because nothing is loaded any more.
__devsh_forget() {
  __devsh_release ${(k)__devsh_held_names}
  unset -v __devsh_held_names
}

# Turns the leave scripts at exit on (`yes`) or off.
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
  typeset -g __devsh_loaded=${__devsh_loaded-} __devsh_checks= __devsh_then= __devsh_prompt_code=
  typeset -g __devsh_path=${__devsh_path-} __devsh_gone=${__devsh_gone-}
  typeset -g __devsh_former=${__devsh_former-}
  typeset -ga __devsh_watched __devsh_seen __devsh_prompt_commands
  typeset -ga precmd_functions
  if (( ! ${precmd_functions[(I)__devsh_hook]} )); then
    precmd_functions=(__devsh_hook $precmd_functions)
  fi
  typeset -ga preexec_functions
  if (( ! ${preexec_functions[(I)__devsh_preexec]} )); then
    preexec_functions=(__devsh_preexec $preexec_functions)
  fi
  typeset -ga zshexit_functions
  if (( ! ${zshexit_functions[(I)__devsh_exit]} )); then
    zshexit_functions=(__devsh_exit $zshexit_functions)
  fi
}
