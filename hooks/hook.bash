# shellcheck shell=bash
# devsh hook for bash 3.2 and later.
#
# At each prompt __devsh_fresh checks with builtins whether anything changed. Only then the program runs.
# Backslashes and `builtin` bypass the user's aliases and functions, and every name begins with __devsh_. Comparisons
# that depend on case use `test`, because `[[` and `case` ignore case under `shopt -s nocasematch`.
#
# shellcheck disable=SC2317 # Functions are called from the prompt and from evaluated text.
# shellcheck disable=SC2139 # The alias needs the value that it has now.
# shellcheck disable=SC2178,SC2128 # PROMPT_COMMAND may be a list or a script.

# Until this process has loaded the hook, functions and variables with its names come from another process, which must
# not decide what runs here. No environment variable is a list with two entries.
if [[ -z ${__devsh_process[1]-} ]] && \builtin compgen -A function __devsh_ >/dev/null; then
  while IFS='' \builtin read -r __devsh_name; do
    \builtin unset -f "$__devsh_name"
  done <<<"$(\builtin compgen -A function __devsh_)"
fi

# An assignment to a nameref changes the variable that it names. `__devsh_detach` makes the names $@ refer to no other
# variable, and `__devsh_refers` succeeds if the name $1 does. Bash before 4.3 has no namerefs.
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 403)); then
  __devsh_detach() { \builtin unset -n "$@" || :; }
  __devsh_refers() { \builtin test -R "$1"; }
else
  __devsh_detach() { :; }
  __devsh_refers() { \return 1; }
fi

if [[ -z ${__devsh_process[1]-} ]]; then
  __devsh_detach __devsh_name
  for __devsh_name in "${!__devsh_@}"; do
    __devsh_detach "$__devsh_name"
    \unset -v "$__devsh_name"
  done
  __devsh_process=(devsh "$$")
fi

__devsh_fresh() { \return 1; }

__devsh_hook() {
  # A trace (`set -x`) shows the user's commands, not this code. With `set -k` a builtin takes `NAME=value` for its
  # environment.
  {
    \set -- "$?" "$-"
    \set +xvk
  } 2>/dev/null
  __devsh_step || :
  # Only commands after the hook in the same text need the status. If the hook is the last command, `set -e` and ERR
  # traps would act on it.
  (($1 == 0)) || [[ ${PROMPT_COMMAND-} == *__devsh_hook*"&& :"*[![:space:]\;]* ]] || \set -- 0 "$2"
  case $2 in
    *[kvx]*) __devsh_restore_options "$2" ;;
  esac
  \return "$1"
}

# Restores the options in $1 that the hook turned off.
__devsh_restore_options() {
  [[ $1 != *k* ]] || \set -k
  case $1 in
    *x*v* | *v*x*) \set -xv ;;
    *x*) \set -x ;;
    *v*) \set -v ;;
  esac
}

__devsh_step() {
  __devsh_fresh || __devsh_update
}

__devsh_update() {
  if [[ -n ${__devsh_watched+x} ]] && __devsh_compare && __devsh_fresh; then
    \return 0
  fi
  # Scripts of an earlier dev shell may have left namerefs.
  __devsh_detach "${!__devsh_@}" "${!DEVSH_@}"
  __devsh_pwd=$PWD
  __devsh_mark
  [[ -f @DEVSH@ && -x @DEVSH@ ]] || \return 0
  [[ ${__devsh_sourced-} != begun ]] || __devsh_finish
  # Ctrl-C ends this function. Bash then calls the hook once more for the same prompt, and the next prompt runs the
  # program again.
  __devsh_fresh() { __devsh_fresh() { \return 1; }; }
  __devsh_ask --loaded "$__devsh_loaded" --checks "$__devsh_checks" --path "$__devsh_path" --gone "$__devsh_gone" ||
    (($? == 130)) ||
    # If the program fails, it runs again after a change of directory or `devsh reload`, not at every prompt.
    __devsh_fresh() {
      \builtin test "$PWD" = "$__devsh_pwd" && \builtin test "${PATH-}" = "$__devsh_path" &&
        ! \builtin compgen -G @RELOADS@"/$$.*" >/dev/null
    }
  # Another tool that replaces `PATH` later makes the hook run the program again.
  __devsh_path=${PATH-}
  __devsh_keep
}

# Remembers the directory for PS0, which bash expands since 4.4 before a command runs.
__devsh_mark() { :; }

# Makes the next command or prompt compare the variables $@ with their values now. The mark before the directory makes
# `__devsh_fresh` fail.
__devsh_watch() {
  \local __devsh_now
  __devsh_watched=("$@")
  __devsh_values
  __devsh_seen=("${__devsh_now[@]}")
  __devsh_pwd=\?$__devsh_pwd
  __devsh_mark
}

# Succeeds if the compared variables have not changed.
__devsh_compare() {
  \local __devsh_now __devsh_at __devsh_changed=
  __devsh_pwd=${__devsh_pwd#\?}
  __devsh_mark
  __devsh_values
  for __devsh_at in "${!__devsh_watched[@]}"; do
    \builtin test "${__devsh_now[__devsh_at]}" = "${__devsh_seen[__devsh_at]}" ||
      __devsh_changed="$__devsh_changed ${__devsh_watched[__devsh_at]}"
  done
  __devsh_watched=() __devsh_seen=()
  [[ -n $__devsh_changed ]] || \return 0
  __devsh_former=$__devsh_changed!$__devsh_former
  \return 1
}

# Sets __devsh_now to the values of the compared variables.
__devsh_values() {
  \local __devsh_name
  __devsh_now=()
  for __devsh_name in "${__devsh_watched[@]}"; do
    __devsh_now+=("${!__devsh_name+=${!__devsh_name}}")
  done
}

# Removes the export that `set -a` gave to the names of devsh: a child shell would take them for its own.
__devsh_keep() {
  [[ $- == *a* ]] || \return 0
  \local IFS=$'\n'
  \builtin export -n "${!__devsh_@}"
  # shellcheck disable=SC2046 # Each name is a word.
  \builtin export -nf $(\builtin compgen -A function __devsh_)
}

# Runs the program with the arguments $@ and evaluates its output. Fails if there is none that is complete.
__devsh_ask() {
  \local __devsh_code __devsh_nonce=$RANDOM$RANDOM$$
  # Old values may be secret, so they are no arguments, which everyone can read.
  __devsh_code=$(
    [[ -z $__devsh_former ]] || \builtin export __devsh_former
    \builtin exec @DEVSH@ export bash --nonce "$__devsh_nonce" "$@"
  ) || \return
  # Output that was cut short does not end in the mark and must not run.
  [[ $__devsh_code == *"# devsh $__devsh_nonce" ]] || \return
  \builtin eval "$__devsh_code" || :
}

# Succeeds if the variable $1, which is set, is not exported. Bash before 5.0 has no way to test that without a
# subshell.
__devsh_unexported() {
  ((BASH_VERSINFO[0] >= 5)) && [[ ${!1@a} != *x* ]]
}

# Bash before 5.0 compares file times by whole seconds. The program runs once more after the second is over, because
# an edit within that second would stay unnoticed.
if ((BASH_VERSINFO[0] < 5)); then
  __devsh_step() {
    \local __devsh_now=$SECONDS __devsh_before=
    if __devsh_fresh; then
      __devsh_before=-$__devsh_loaded$__devsh_checks
    fi
    if [[ -z $__devsh_before || ${__devsh_asked:-$__devsh_now} != "$__devsh_now" ]]; then
      __devsh_asked=$__devsh_now
      __devsh_update || :
      # The second run found nothing new.
      [[ $__devsh_before != "-$__devsh_loaded$__devsh_checks" ]] || __devsh_asked=
    fi
  }
fi

# Checks are kept under their names, and the program prints only new ones: shells parse code slowly.
__devsh_forget_checks() {
  \local __devsh_name IFS=' '
  for __devsh_name in $__devsh_checks; do
    \builtin unset -f "__devsh_fresh_$__devsh_name"
  done
  __devsh_checks=
}

# Aliases: three parallel lists of names, of commands that define the hidden aliases, and of commands that define the
# new ones.
__devsh_alias() {
  \local __devsh_text
  [[ $__devsh_prompt_commands != *$'\n'"$1"$'\n'* ]] || \return 0
  __devsh_alias_text "$1"
  __devsh_alias_names+=("$1")
  __devsh_alias_olds+=("$__devsh_text")
  \builtin alias "$1=$2"
  __devsh_alias_text "$1"
  __devsh_alias_news+=("$__devsh_text")
}

# Sets __devsh_prompt_commands to those of the names $@, each between newlines, that are commands in code that bash
# parses at each prompt: an alias could run there without being typed. Asks once for the same names and code.
__devsh_find_prompt_commands() {
  \local IFS=$'\n' __devsh_code __devsh_texts __devsh_name
  __devsh_code="${PROMPT_COMMAND[*]-}"$'\n'"${precmd_functions[*]-}"$'\n'"${preexec_functions[*]-}"
  __devsh_texts="${PS0-}"$'\n'"${PS1-}"$'\n'"${PS2-}"$'\n'"${PS4-}"
  [[ $__devsh_code$'\n'$__devsh_texts$'\n'"$*" != "$__devsh_prompt_code" ]] || \return 0
  __devsh_prompt_code=$__devsh_code$'\n'$__devsh_texts$'\n'"$*"
  __devsh_prompt_commands=$'\n'$(
    {
      \builtin printf '%s\0' "$__devsh_code" "$__devsh_texts"
      \builtin declare -f
      # Bash before 4.0 has no list of aliases.
      for __devsh_name in "${!BASH_ALIASES[@]}"; do
        \builtin printf '%s () \n{ \n%s\n}\n' "$__devsh_name" "${BASH_ALIASES[$__devsh_name]}"
      done
    } | @DEVSH@ prompt-commands "$@"
  )$'\n' || :
}

# Sets __devsh_text to the command that defines the alias $1 as it is now; empty if there is no such alias.
__devsh_alias_text() {
  __devsh_text=
  if ((BASH_VERSINFO[0] < 4)); then
    __devsh_text=$(\builtin alias "$1" 2>/dev/null) || :
  elif [[ ${BASH_ALIASES[$1]+set} ]]; then
    \builtin printf -v __devsh_text '\\builtin alias %s=%q' "$1" "${BASH_ALIASES[$1]}"
  fi
}

__devsh_restore_aliases() {
  \local __devsh_at __devsh_text
  for ((__devsh_at = ${#__devsh_alias_names[@]} - 1; __devsh_at >= 0; __devsh_at--)); do
    __devsh_alias_text "${__devsh_alias_names[__devsh_at]}"
    # An alias that the user has changed since then stays.
    \builtin test "$__devsh_text" = "${__devsh_alias_news[__devsh_at]}" || \continue
    \builtin unalias "${__devsh_alias_names[__devsh_at]}"
    \builtin eval "${__devsh_alias_olds[__devsh_at]}"
  done
  __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
}

# Shell variables that the environment does not show: two parallel lists of names and declarations.
__devsh_hold() {
  \local __devsh_name __devsh_all __devsh_text
  for __devsh_name; do
    if __devsh_refers "$__devsh_name"; then
      __devsh_held_names+=("$__devsh_name")
      __devsh_held_texts+=("$(\builtin declare -p "$__devsh_name")")
      __devsh_detach "$__devsh_name"
      \continue
    fi
    __devsh_all="${__devsh_name}[@]"
    # `@A` also shows empty arrays and variables without a value. Bash 4.4 has it, but not for arrays.
    if ((BASH_VERSINFO[0] >= 5)); then
      __devsh_text=${!__devsh_all@A}
    else
      [[ ${!__devsh_all+x} ]] || \continue
      __devsh_text=$(\builtin declare -p "$__devsh_name")
    fi
    # A plain exported variable is restored by the environment. A read-only one cannot be changed.
    case $__devsh_text in '' | "declare -x $__devsh_name="*) \continue ;; esac
    case ${__devsh_text%% "$__devsh_name"*} in "declare -"*r*) \continue ;; esac
    __devsh_held_names+=("$__devsh_name")
    __devsh_held_texts+=("$__devsh_text")
    \builtin unset -v "$__devsh_name"
  done
}

# Exports the list $1. A list of the user that is not exported gets the entries $3 and $4 at its ends and is only
# unexported later, otherwise the value is $2.
__devsh_extend() {
  if ((BASH_VERSINFO[0] >= 5)) && [[ -n ${!1-} && -z ${!1@a} ]] && ! __devsh_refers "$1"; then
    __devsh_held_names+=("$1")
    __devsh_held_texts+=(unexport)
    \builtin export "$1=${3:+$3:}${!1}${4:+:$4}"
  else
    __devsh_hold "$1"
    __devsh_detach "$1"
    \builtin export "$1=$2"
  fi
}

__devsh_release() {
  \local __devsh_name __devsh_text __devsh_at __devsh_flags
  for __devsh_name; do
    [[ $__devsh_name ]] || \continue
    for ((__devsh_at = ${#__devsh_held_names[@]} - 1; __devsh_at >= 0; __devsh_at--)); do
      \builtin test "${__devsh_held_names[__devsh_at]}" = "$__devsh_name" || \continue
      __devsh_text=${__devsh_held_texts[__devsh_at]}
      __devsh_held_names[__devsh_at]=
      if [[ $__devsh_text == unexport ]]; then
        \builtin export -n "${__devsh_name?}"
        \break
      fi
      if [[ $__devsh_text == "declare -n"* ]]; then
        \builtin unset -v "$__devsh_name"
        \builtin eval "\\builtin declare -g ${__devsh_text#declare }"
        \break
      fi
      __devsh_flags=
      # Attributes first, then a plain assignment: in a function it reaches the global variable.
      if [[ $__devsh_text == "declare -"* ]]; then
        __devsh_flags=${__devsh_text#declare -}
        __devsh_text=${__devsh_flags#* }
        __devsh_flags=${__devsh_flags%% *}
        # Bash before 4.4 prints an array as one quoted word. Bash before 4.2 has no `declare -g`.
        [[ $__devsh_text != "$__devsh_name='("* ]] || \builtin eval "__devsh_text=$__devsh_text"
        ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 402)) ||
          \builtin declare -g -"$__devsh_flags" "$__devsh_name"
      fi
      [[ $__devsh_text != *=* ]] || \builtin eval "$__devsh_text"
      # Plain exported variables are not held. Others have the x flag, but `set -a` exports every assignment.
      [[ $__devsh_flags == *x* ]] || \builtin export -n "${__devsh_name?}"
      \break
    done
  done
}

__devsh_drop() {
  \local __devsh_name __devsh_at
  for __devsh_name; do
    for ((__devsh_at = ${#__devsh_held_names[@]} - 1; __devsh_at >= 0; __devsh_at--)); do
      [[ ${__devsh_held_texts[__devsh_at]} == unexport ]] ||
        \builtin test "${__devsh_held_names[__devsh_at]}" != "$__devsh_name" || __devsh_held_names[__devsh_at]=
    done
  done
}

# Restores every variable that is still held, because nothing is loaded any more.
__devsh_forget() {
  __devsh_release "${__devsh_held_names[@]}"
  \builtin unset -v __devsh_held_names __devsh_held_texts
}

# With `yes`, runs the leave scripts at exit, before the user's own EXIT trap. With `no`, restores that trap, unless
# the user has set another one since then.
__devsh_leave_on_exit() {
  \local __devsh_now
  __devsh_now=$(\builtin trap -p EXIT)
  if [[ $1 == yes ]]; then
    [[ $__devsh_now != *__devsh_exit* ]] || \return 0
    __devsh_trap=$__devsh_now
    \builtin eval "\\set -- ${__devsh_now#trap -- }"
    \builtin trap -- "__devsh_exit${1:+$'\n'$1}" EXIT
  else
    [[ $__devsh_now != "trap -- '__devsh_exit"* ]] || \builtin eval "${__devsh_trap:-\\builtin trap - EXIT}"
    \builtin unset -v __devsh_trap
  fi
}

__devsh_exit() {
  \set -- "$?"
  \set +k
  \local __devsh_status=$1
  \command @DEVSH@ leave || :
  \return "$__devsh_status"
}

# A text stays a text and a list stays a list: tools that take their own part out of PROMPT_COMMAND again know only
# the form that they have found.
__devsh_register() {
  [[ " ${PROMPT_COMMAND[*]-} " == *__devsh_hook* ]] && \return
  \local __devsh_entry='__devsh_hook && :' __devsh_flags='' __devsh_list
  if ((BASH_VERSINFO[0] >= 5)) && [[ -n ${PROMPT_COMMAND[*]+x} ]]; then
    __devsh_flags=${PROMPT_COMMAND[*]@a}
  fi
  # A child shell inherits an exported text and may not have the hook.
  # shellcheck disable=SC2016 # The child shell expands it.
  [[ $__devsh_flags != *x* ]] || __devsh_entry='${__devsh_loaded+__devsh_hook} && :'
  if [[ $__devsh_flags == *a* ]] && ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
    # Since 5.1 each entry of a list sees the user's `$?`, `$_` and PIPESTATUS.
    __devsh_list=("${PROMPT_COMMAND[@]}")
    # An rc file that is read again and assigns a text to the list replaces its first entry, which was the hook.
    [[ -z ${__devsh_loaded+x} || ${__devsh_list[0]} != "${__devsh_list[1]-}" ]] ||
      __devsh_list=("${__devsh_list[@]:1}")
    [[ -n ${__devsh_list[*]} ]] || __devsh_list=()
    PROMPT_COMMAND=("$__devsh_entry" "${__devsh_list[@]}")
  else
    # A newline is a safe separator whatever the text ends with.
    PROMPT_COMMAND=$__devsh_entry${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
  fi
  # `set -a` exports every assignment.
  [[ $- != *a* || $__devsh_flags == *x* ]] || \builtin export -n PROMPT_COMMAND
}
# A restricted shell can neither change PATH nor redirect output.
if ! \builtin shopt -q restricted_shell; then
  __devsh_options=$-
  \set +k
  __devsh_register || :
  # PS0 can test something, but not call the hook. If the directory is not the one of the last prompt, as after a key
  # binding with `cd`, it sends this shell a signal that shells ignore by default.
  if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) && [[ $- == *i* ]] && \builtin shopt -q promptvars; then
    __devsh_mark() { __devsh_here=(["$__devsh_pwd"]=""); }
    if [[ -z ${__devsh_loaded+x} ]]; then
      \builtin declare -gA __devsh_here
      \builtin trap -- '__devsh_hook || :' URG
    fi
    # shellcheck disable=SC2016 # PS0 is expanded later.
    [[ ${PS0-} == *__devsh_here* ]] ||
      PS0='${__devsh_here[@]+${__devsh_here[${PWD:-/}]-$(builtin kill -URG $$)}}'${PS0-}
  fi
  # `set -a` exports every assignment.
  [[ $__devsh_options != *a* ]] || \builtin export -n PS0
  [[ $__devsh_options != *k* ]] || \set -k
  \builtin unset -v __devsh_options
fi
\builtin unset -f __devsh_register
__devsh_checks='' __devsh_prompt_code='' __devsh_prompt_commands=''
if [[ -z ${__devsh_loaded+set} ]]; then
  __devsh_loaded='' __devsh_path='' __devsh_gone='' __devsh_former='' __devsh_watched=() __devsh_seen=()
  __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
fi
__devsh_keep
