# shellcheck shell=bash
# devsh hook for bash 3.2 and later.
#
# At each prompt __devsh_fresh asks builtins whether anything changed; only then is the program run.
# Backslashes and `builtin` keep the user's aliases and functions out; every name begins with __devsh_.
#
# shellcheck disable=SC2317 # Functions are called from the prompt and from evaluated text.
# shellcheck disable=SC2139 # The alias is to have its value now.
# shellcheck disable=SC2178,SC2128 # PROMPT_COMMAND may be a list or a script.

__devsh_fresh() { \return 1; }

__devsh_hook() {
  \local __devsh_status=$?
  __devsh_fresh || __devsh_update || :
  \return "$__devsh_status"
}

__devsh_update() {
  \local __devsh_code __devsh_nonce=$RANDOM$RANDOM$$
  [[ -x @DEVSH@ ]] || \return 0
  __devsh_pwd=$PWD
  # Should the program fail, it is asked again in another directory, not at every prompt.
  __devsh_fresh() { [[ $PWD == "$__devsh_pwd" ]]; }
  __devsh_code=$(\command @DEVSH@ export bash --nonce "$__devsh_nonce" --loaded "$__devsh_loaded") || \return 0
  # Text that was cut short does not end in the mark and must not run.
  [[ $__devsh_code == *"# devsh $__devsh_nonce" ]] || \return 0
  \builtin eval "$__devsh_code"
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
    [[ $__devsh_text == "${__devsh_alias_news[__devsh_at]}" ]] || \continue
    \builtin unalias "${__devsh_alias_names[__devsh_at]}"
    \builtin eval "${__devsh_alias_olds[__devsh_at]}"
  done
  __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
}

__devsh_register() {
  : "${PROMPT_COMMAND=}"
  \local __devsh_list
  __devsh_list=("${PROMPT_COMMAND[@]}")
  [[ " ${PROMPT_COMMAND[*]} " == *__devsh_hook* ]] && \return
  # Bash 5.1 made PROMPT_COMMAND a list for those who want one.
  if ((${#__devsh_list[@]} > 1 && BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
    PROMPT_COMMAND=(__devsh_hook "${__devsh_list[@]}")
  else
    # A new line separates safely, whatever the script ends in.
    PROMPT_COMMAND=__devsh_hook${PROMPT_COMMAND:+$'\n'$PROMPT_COMMAND}
  fi
}
__devsh_register || :
\unset -f __devsh_register
if [[ -z ${__devsh_loaded+set} ]]; then
  __devsh_loaded='' __devsh_alias_names=() __devsh_alias_olds=() __devsh_alias_news=()
fi
