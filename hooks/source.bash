# shellcheck shell=bash
# Runs the scripts of `[hooks] source` in bash 5.0 and later, and undoes their changes of the shell.
# Devsh prints this code only for projects with such scripts. It needs hook.bash.
#
# A snapshot of the shell maps `KIND NAME` to a value: `v` variables and `x` exported variables to their declaration,
# `a` aliases, `f` functions to their export flag and place of definition, `c` completions, `s` and `o` options of
# `shopt` and `set`. __devsh_olds and __devsh_news hold the entries that scripts changed, before and after.
#
# shellcheck disable=SC2034,SC2178 # Arrays are filled through name references.
# shellcheck disable=SC1090,SC2016,SC2317 # File names are known at run time, the backticks belong to a message, and
# functions are called from elsewhere.

# Runs the scripts in the files $@.
__devsh_source() {
  if ((BASH_VERSINFO[0] < 5)); then
    \builtin printf 'devsh: the scripts of `[hooks] source` need bash 5.0 or later\n' >&2
    \return 0
  fi
  \builtin declare -gA __devsh_before __devsh_olds __devsh_news
  __devsh_look __devsh_before
  __devsh_functions=$(\builtin declare -f)
  __devsh_places=("$PWD" "${OLDPWD-}")
  # If a script is interrupted, the next prompt finishes the work.
  __devsh_fresh() { \return 1; }
  __devsh_sourced=begun
  while (($#)); do
    __devsh_run "$1" || :
    \shift
  done
  __devsh_finish
}

# The script gets no positional parameters. With `builtin .`, a failing command in it would end a shell under
# `set -e`, although failures are ignored here.
__devsh_run() {
  __devsh_file=$1
  \set --
  \. "$__devsh_file"
}

# Writes a snapshot of the shell into the array named $1.
__devsh_look() {
  \local -n __devsh_list=$1
  \local __devsh_name __devsh_all __devsh_line __devsh_lines __devsh_names __devsh_opts=$BASHOPTS:
  \builtin shopt -u nocasematch
  __devsh_names=()
  for __devsh_name in _ {A..Z} {a..z}; do
    \builtin eval "__devsh_names+=(\"\${!$__devsh_name@}\")"
  done
  # `${!prefix@}` omits variables without a value. A line of `declare -p` may also be part of a multi-line value, so
  # each candidate is compared with `@A`.
  \builtin mapfile -t __devsh_lines <<<"$(\builtin declare -p)"
  for __devsh_line in "${__devsh_lines[@]}"; do
    __devsh_name=${__devsh_line##* }
    [[ $__devsh_line == "declare -"* && $__devsh_line != "declare -"*n*" $__devsh_name" && $__devsh_name == [A-Za-z_]* &&
      $__devsh_name != *[!A-Za-z0-9_]* ]] || \continue
    __devsh_all="${__devsh_name}[@]"
    [[ ${!__devsh_all@A} != "$__devsh_line" ]] || __devsh_names+=("$__devsh_name")
  done
  for __devsh_name in "${__devsh_names[@]}"; do
    case $__devsh_name in
      # Variables of devsh, and variables that the shell itself updates.
      __devsh_* | DEVSH_DIFF | DEVSH_ROOT | DEVSH_SHELL | _ | BASHOPTS | BASHPID | BASH_ALIASES | BASH_ARG* | \
        BASH_CMDS | BASH_COMMAND | BASH_LINENO | BASH_MONOSECONDS | BASH_REMATCH | BASH_SOURCE | BASH_SUBSHELL | \
        COLUMNS | COMP_[CKLPTW]* | DIRSTACK | EPOCH* | FUNCNAME | GROUPS | HISTCMD | LINENO | LINES | OLDPWD | \
        OPTARG | OPTIND | PIPESTATUS | PWD | RANDOM | READLINE_* | SECONDS | SHELLOPTS | SHLVL | SRANDOM)
        \continue
        ;;
    esac
    __devsh_all="${__devsh_name}[@]"
    __devsh_line=${!__devsh_all@A}
    # A name reference or a read-only variable cannot be restored.
    [[ ! -R $__devsh_name && ${__devsh_line%% "$__devsh_name"*} != "declare -"*r* ]] || \continue
    if [[ ${__devsh_line%% "$__devsh_name"*} == "declare -"*x* ]]; then
      [[ $__devsh_line != *=* ]] || __devsh_list["x $__devsh_name"]=$__devsh_line
    else
      __devsh_list["v $__devsh_name"]=$__devsh_line
    fi
  done
  for __devsh_name in "${!BASH_ALIASES[@]}"; do
    __devsh_list["a $__devsh_name"]=${BASH_ALIASES[$__devsh_name]}
  done
  \builtin mapfile -d : -t __devsh_lines <<<"$__devsh_opts"
  for __devsh_name in "${__devsh_lines[@]}"; do __devsh_list["s $__devsh_name"]=on; done
  \builtin mapfile -d : -t __devsh_lines <<<"$SHELLOPTS:"
  for __devsh_name in "${__devsh_lines[@]}"; do __devsh_list["o $__devsh_name"]=on; done
  __devsh_look_completions
  __devsh_look_functions
  [[ :$__devsh_opts != *:nocasematch:* ]] || \builtin shopt -s nocasematch
}

__devsh_look_completions() {
  \local __devsh_text='' __devsh_quotes
  # No `<(…)`: when a later command gets the same process id, bash confuses the two exit statuses.
  \builtin mapfile -t __devsh_lines <<<"$(\builtin complete -p 2>/dev/null)"
  for __devsh_line in "${__devsh_lines[@]}"; do
    __devsh_text+=${__devsh_text:+$'\n'}$__devsh_line
    if [[ $__devsh_text == *\'* ]]; then
      # A word of several lines ends at a line with an even number of quotes, without escaped ones.
      __devsh_quotes=${__devsh_text//"'\''"/}
      __devsh_quotes=${__devsh_quotes//[!\']/}
      ((${#__devsh_quotes} % 2 == 0)) || \continue
    fi
    [[ -z $__devsh_text ]] || __devsh_list["c ${__devsh_text##* }"]=$__devsh_text
    __devsh_text=
  done
}

# Adds the functions: export flag and place of definition. The place needs `extdebug`, which only a subshell may set.
__devsh_look_functions() {
  \local -A __devsh_flags
  \builtin mapfile -t __devsh_lines <<<"$(
    \builtin declare -F
    \builtin mapfile -t __devsh_lines <<<"$(\builtin declare -F)"
    \builtin shopt -s extdebug
    \builtin declare -F "${__devsh_lines[@]##* }"
  )"
  for __devsh_line in "${__devsh_lines[@]}"; do
    __devsh_name=${__devsh_line##* }
    case $__devsh_line in
      '' | __devsh_* | "declare -"*" __devsh_"*) ;;
      "declare -f"*x*" $__devsh_name") __devsh_flags["f $__devsh_name"]=-f ;;
      "declare -f"*) __devsh_flags["f $__devsh_name"]=-nf ;;
      *)
        __devsh_name=${__devsh_line%% *}
        __devsh_list["f $__devsh_name"]="${__devsh_flags["f $__devsh_name"]} ${__devsh_line#* }"
        ;;
    esac
  done
}

# Compares the shell with the snapshot from before the scripts.
__devsh_finish() {
  \local -A __devsh_after
  \local __devsh_key __devsh_changed __devsh_exports
  __devsh_changed=() __devsh_exports=()
  __devsh_sourced='done'
  \builtin test "$PWD" = "${__devsh_places[0]}" || \builtin cd -- "${__devsh_places[0]}" || :
  OLDPWD=${__devsh_places[1]}
  __devsh_look __devsh_after
  for __devsh_key in "${!__devsh_before[@]}"; do
    \builtin test "x${__devsh_before[$__devsh_key]}" = "${__devsh_after[$__devsh_key]+x}${__devsh_after[$__devsh_key]-}" ||
      __devsh_changed+=("$__devsh_key")
  done
  for __devsh_key in "${!__devsh_after[@]}"; do
    [[ ${__devsh_before[$__devsh_key]+x} ]] || __devsh_changed+=("$__devsh_key")
  done
  for __devsh_key in "${__devsh_changed[@]}"; do
    [[ $__devsh_key != x\ * ]] || __devsh_take_export "${__devsh_key:2}"
  done
  for __devsh_key in "${__devsh_changed[@]}"; do
    [[ $__devsh_key != x\ * && ! ($__devsh_key == v\ * && ${__devsh_after["x ${__devsh_key:2}"]+x}) ]] || \continue
    [[ -z ${__devsh_before[$__devsh_key]+x} ]] || __devsh_olds[$__devsh_key]=${__devsh_before[$__devsh_key]}
    [[ -z ${__devsh_after[$__devsh_key]+x} ]] || __devsh_news[$__devsh_key]=${__devsh_after[$__devsh_key]}
    [[ $__devsh_key != f\ * || -z ${__devsh_before[$__devsh_key]+x} ]] ||
      __devsh_olds[$__devsh_key]=$(__devsh_old_function "${__devsh_key:2}" "${__devsh_before[$__devsh_key]%% *}")
  done
  \builtin unset -v __devsh_before __devsh_functions
  ((${#__devsh_exports[@]} == 0)) || __devsh_ask --sourced "${__devsh_exports[@]}"
}

# Prints the old definition of function $1; `export $2` restores whether it was exported.
__devsh_old_function() {
  [[ ! -o posix ]] || \builtin set +o posix
  __devsh_define "$__devsh_functions"
  \builtin declare -f "$1"
  \builtin printf '\\builtin export %s -- %q\n' "$2" "$1"
}

# Evaluates the function definitions in $1, which bash has printed, independent of the current aliases and options.
__devsh_define() {
  \local - __devsh_on=:$BASHOPTS:
  [[ ! -o posix ]] || \builtin set +o posix
  \builtin shopt -u expand_aliases
  \builtin shopt -s extglob
  \builtin eval "$1" || :
  [[ $__devsh_on != *:expand_aliases:* ]] || \builtin shopt -s expand_aliases
  [[ $__devsh_on == *:extglob:* ]] || \builtin shopt -u extglob
}

# Restores the exported variable $1 and collects its new value for the program, which adds it to the session: child
# shells must undo it, too.
__devsh_take_export() {
  if [[ ${__devsh_after["x $1"]+x} ]]; then
    __devsh_exports+=("$1=${!1}")
  else
    __devsh_exports+=("$1")
  fi
  if [[ ${__devsh_before["x $1"]+x} ]]; then
    __devsh_declare "$1" "${__devsh_before["x $1"]}"
  elif [[ ${__devsh_before["v $1"]+x} ]]; then
    __devsh_declare "$1" "${__devsh_before["v $1"]}"
  else
    \builtin unset -v "$1"
  fi
}

# Declares the variable $1 with the declaration $2.
__devsh_declare() {
  # A special variable loses its meaning when it is unset.
  \builtin test "${2%%"$1="*}" = "${!1@a}" || \builtin test "${2%%"$1="*}" = "declare -${!1@a} " || \builtin unset -v "$1"
  # Attributes first: bash parses an array assignment only as a command of its own.
  if [[ $2 == "declare -"* ]]; then
    \set -- "$1" "${2#declare -}"
    \set -- "$1" "${2#* }" "${2%% *}"
    \builtin declare -g -"$3" "$1"
  fi
  [[ $2 != *=* ]] || \builtin eval "$2"
  # `set -a` exports every assignment.
  [[ ${3-} == *x* ]] || \builtin export -n "${1?}"
}

# Undoes every change that is still as the scripts left it.
__devsh_unsource() {
  [[ ${__devsh_sourced-} != begun ]] || __devsh_finish
  [[ ${__devsh_sourced-} ]] || \return 0
  \local -A __devsh_after
  \local __devsh_key
  __devsh_look __devsh_after
  # `posix` first: it changes other options and the set of valid function names.
  for __devsh_key in ${__devsh_news["o posix"]+"o posix"} "${!__devsh_olds[@]}" "${!__devsh_news[@]}"; do
    \builtin test "${__devsh_after[$__devsh_key]+x}${__devsh_after[$__devsh_key]-}" = \
      "${__devsh_news[$__devsh_key]+x}${__devsh_news[$__devsh_key]-}" || \continue
    # A changed value makes a second visit skip the entry.
    __devsh_after[$__devsh_key]=${__devsh_news[$__devsh_key]-}$RANDOM
    __devsh_take_back "${__devsh_key%% *}" "${__devsh_key#* }" "$__devsh_key"
  done
  \builtin unset -v __devsh_sourced __devsh_olds __devsh_news __devsh_places __devsh_file
  # The functions exist only while a project needs them.
  \builtin unset -f __devsh_source __devsh_run __devsh_look __devsh_look_completions __devsh_look_functions \
    __devsh_finish __devsh_old_function __devsh_define __devsh_take_export __devsh_declare __devsh_unsource __devsh_take_back
}

# Restores the entry of kind $1 and name $2, or removes it.
__devsh_take_back() {
  \local __devsh_old="${__devsh_olds[$3]-}" __devsh_is="${__devsh_olds[$3]+x}"
  case $1$__devsh_is in
    v) \builtin unset -v "$2" ;;
    vx) __devsh_declare "$2" "$__devsh_old" ;;
    a) \builtin unalias -- "$2" ;;
    ax) BASH_ALIASES[$2]=$__devsh_old ;;
    f) \builtin unset -f "$2" ;;
    fx) __devsh_define "$__devsh_old" ;;
    c*)
      \builtin complete -r "$2" 2>/dev/null || :
      [[ -z $__devsh_old ]] || \builtin eval "\\builtin $__devsh_old"
      ;;
    s) \builtin shopt -u "$2" ;;
    sx) \builtin shopt -s "$2" ;;
    o) \builtin set +o "$2" ;;
    ox) \builtin set -o "$2" ;;
  esac
}
