# shellcheck shell=bash
# devsh hook for bash 3.2 and later.
#
# At each prompt __devsh_fresh asks builtins whether anything changed; only then is the program run.
# Backslashes and `builtin` keep the user's aliases and functions out; every name begins with __devsh_. Where the case
# of letters counts `test` compares, as `[[` and `case` do not see it under `shopt -s nocasematch`.
#
# shellcheck disable=SC2317 # Functions are called from the prompt and from evaluated text.
# shellcheck disable=SC2139 # The alias is to have its value now.
# shellcheck disable=SC2178,SC2128 # PROMPT_COMMAND may be a list or a script.

__devsh_fresh() { \return 1; }

__devsh_hook() {
  \local __devsh_status=$?
  __devsh_fresh || __devsh_update || :
  # Only what stands behind the hook in the same text needs the status; as the last one `set -e` and traps would see it.
  [[ $__devsh_status != 0 && ${PROMPT_COMMAND-} == *"__devsh_hook && :"*[![:space:]\;]* ]] || \return 0
  \return "$__devsh_status"
}

__devsh_update() {
  [[ -f @DEVSH@ && -x @DEVSH@ ]] || \return 0
  [[ ${__devsh_sourced-} != begun ]] || __devsh_finish
  __devsh_pwd=$PWD
  # Should the program fail, it is asked again in another directory, not at every prompt.
  __devsh_fresh() { \builtin test "$PWD" = "$__devsh_pwd"; }
  __devsh_ask --loaded "$__devsh_loaded" --checks "$__devsh_checks"
  __devsh_keep
}

# What `set -a` has exported of devsh's own, a shell that is started from here would take for its own.
__devsh_keep() {
  [[ $- == *a* ]] || \return 0
  \local IFS=$'\n'
  \export -n "${!__devsh_@}"
  # shellcheck disable=SC2046 # Each name is a word.
  \export -nf $(\builtin compgen -A function __devsh_)
}

# Asks the program with the words $@ and evaluates its answer.
__devsh_ask() {
  \local __devsh_code __devsh_nonce=$RANDOM$RANDOM$$
  __devsh_code=$(\builtin exec @DEVSH@ export bash --nonce "$__devsh_nonce" "$@") || \return 0
  # Text that was cut short does not end in the mark and must not run.
  [[ $__devsh_code == *"# devsh $__devsh_nonce" ]] || \return 0
  \builtin eval "$__devsh_code"
}

# Tells whether the variable $1, which is set, is so for the shell alone. Before 5.0 bash tells that to programs only.
__devsh_unexported() {
  ((BASH_VERSINFO[0] >= 5)) && [[ ${!1@a} != *x* ]]
}

# Before 5.0 bash compares times of files by whole seconds: what was asked is asked once more when the second is
# over, or an edit within it would never be seen.
if ((BASH_VERSINFO[0] < 5)); then
  __devsh_hook() {
    \local __devsh_status=$? __devsh_now=$SECONDS __devsh_before=
    if __devsh_fresh; then
      __devsh_before=-$__devsh_loaded$__devsh_checks
    fi
    if [[ -z $__devsh_before || ${__devsh_asked:-$__devsh_now} != "$__devsh_now" ]]; then
      __devsh_asked=$__devsh_now
      __devsh_update || :
      # Where nothing was new the second time, that is all.
      [[ $__devsh_before != "-$__devsh_loaded$__devsh_checks" ]] || __devsh_asked=
    fi
    [[ $__devsh_status != 0 && ${PROMPT_COMMAND-} == *"__devsh_hook && :"*[![:space:]\;]* ]] || \return 0
    \return "$__devsh_status"
  }
fi

# Each check that was made is kept: the program defines one only where it is new.
__devsh_forget_checks() {
  \local __devsh_name IFS=' '
  for __devsh_name in $__devsh_checks; do
    \unset -f "__devsh_fresh_$__devsh_name"
  done
  __devsh_checks=
}

# Aliases: three parallel lists of names and of the commands that define what was hidden and what is new.
__devsh_alias() {
  \local __devsh_text
  __devsh_alias_text "$1"
  __devsh_alias_names+=("$1")
  __devsh_alias_olds+=("$__devsh_text")
  \builtin alias "$1=$2"
  __devsh_alias_text "$1"
  __devsh_alias_news+=("$__devsh_text")
}

# Puts the command that defines the alias $1 as it is into __devsh_text; nothing when there is none.
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
    # An alias that the user changed meanwhile is the user's.
    \builtin test "$__devsh_text" = "${__devsh_alias_news[__devsh_at]}" || \continue
    \builtin unalias "${__devsh_alias_names[__devsh_at]}"
    \builtin eval "${__devsh_alias_olds[__devsh_at]}"
  done
  __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
}

# Variables: two parallel lists of names and of how they are declared, where the environment does not tell.
__devsh_hold() {
  \local __devsh_name __devsh_all __devsh_text
  for __devsh_name; do
    __devsh_all="${__devsh_name}[@]"
    # Bash 4.4 has this too, but not for arrays. It tells lists without entries and variables without a value as well.
    if ((BASH_VERSINFO[0] >= 5)); then
      __devsh_text=${!__devsh_all@A}
    else
      [[ ${!__devsh_all+x} ]] || \continue
      __devsh_text=$(\builtin declare -p "$__devsh_name")
    fi
    # What is plainly exported comes back by itself, and what is read-only cannot be changed.
    case $__devsh_text in '' | "declare -x $__devsh_name="*) \continue ;; esac
    case ${__devsh_text%% "$__devsh_name"*} in "declare -"*r*) \continue ;; esac
    __devsh_held_names+=("$__devsh_name")
    __devsh_held_texts+=("$__devsh_text")
    \unset -v "$__devsh_name"
  done
}

__devsh_release() {
  \local __devsh_name __devsh_text __devsh_at __devsh_flags
  for __devsh_name; do
    [[ $__devsh_name ]] || \continue
    for ((__devsh_at = ${#__devsh_held_names[@]} - 1; __devsh_at >= 0; __devsh_at--)); do
      \builtin test "${__devsh_held_names[__devsh_at]}" = "$__devsh_name" || \continue
      __devsh_text=${__devsh_held_texts[__devsh_at]}
      __devsh_held_names[__devsh_at]=
      __devsh_flags=
      # Attributes first, then the plain assignment, which in a function reaches the shell's own variable.
      if [[ $__devsh_text == "declare -"* ]]; then
        __devsh_flags=${__devsh_text#declare -}
        __devsh_text=${__devsh_flags#* }
        __devsh_flags=${__devsh_flags%% *}
        # Old bash prints an array as one quoted word, and cannot give attributes from within a function.
        [[ $__devsh_text != "$__devsh_name='("* ]] || \builtin eval "__devsh_text=$__devsh_text"
        ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 402)) ||
          \builtin declare -g -"$__devsh_flags" "$__devsh_name"
      fi
      [[ $__devsh_text != *=* ]] || \builtin eval "$__devsh_text"
      # What was exported plainly was not held; others say so, whatever `set -a` does.
      [[ $__devsh_flags == *x* ]] || \export -n "${__devsh_name?}"
      \break
    done
  done
}

__devsh_drop() {
  \local __devsh_name __devsh_at
  for __devsh_name; do
    for ((__devsh_at = ${#__devsh_held_names[@]} - 1; __devsh_at >= 0; __devsh_at--)); do
      \builtin test "${__devsh_held_names[__devsh_at]}" != "$__devsh_name" || __devsh_held_names[__devsh_at]=
    done
  done
}

# Nothing is loaded any more: what is still held is given back.
__devsh_forget() {
  __devsh_release "${__devsh_held_names[@]}"
  \unset -v __devsh_held_names __devsh_held_texts
}

# Has the scripts run when the shell exits, before what the user has it do then. Leaves the shell's own order
# of things when told `no`; a trap that the user set meanwhile stays.
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
    \unset -v __devsh_trap
  fi
}

__devsh_exit() {
  \local __devsh_status=$?
  \command @DEVSH@ leave || :
  \return "$__devsh_status"
}

__devsh_register() {
  : "${PROMPT_COMMAND=}"
  \local __devsh_list
  __devsh_list=("${PROMPT_COMMAND[@]}")
  [[ " ${PROMPT_COMMAND[*]} " == *__devsh_hook* ]] && \return
  # From 5.1 on each of a list finds `$?`, `$_` and PIPESTATUS as the user left them.
  if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
    [[ -n ${PROMPT_COMMAND[*]} ]] || __devsh_list=()
    PROMPT_COMMAND=("__devsh_hook && :" "${__devsh_list[@]}")
  else
    # A new line separates safely, whatever the script ends in.
    PROMPT_COMMAND="__devsh_hook && :"${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
  fi
}
__devsh_register || :
\unset -f __devsh_register
__devsh_checks=
# What is exported was another shell's.
if [[ -z ${__devsh_loaded+set} ]] || { ((BASH_VERSINFO[0] >= 5)) && [[ ${__devsh_loaded@a} == *x* ]]; }; then
  \unset -v __devsh_loaded
  __devsh_loaded='' __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
fi
__devsh_keep
